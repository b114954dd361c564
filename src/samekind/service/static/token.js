// Asks for the token of a service that wants one; it stays in this tab.

import { forgetToken, hasToken, keepToken } from "./api.js";
import { byId } from "./elements.js";

export class Gate {
  /** `opened()` is called when a token was given. */
  constructor(opened) {
    this.dialog = byId("gate");
    this.dialog.addEventListener("cancel", (event) => event.preventDefault()); // there is nothing behind it
    byId("gate-form").addEventListener("submit", (event) => {
      event.preventDefault();
      keepToken(byId("gate-token").value.trim());
      byId("gate-token").value = "";
      this.dialog.close();
      opened();
    });
  }

  /** Ask for a token; a token that there is was not accepted. */
  ask() {
    if (this.dialog.open) return;
    if (hasToken()) byId("gate-why").textContent = "The token was not accepted. Look it up, and try again.";
    forgetToken();
    this.dialog.showModal();
  }
}
