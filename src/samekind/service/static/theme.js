// Light or dark: as chosen here before, else as the system says. A plain script: it runs before anything is seen.

"use strict";

(() => {
  const KEY = "samekind-theme";
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const read = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const current = () => root.dataset.theme ?? (dark.matches ? "dark" : "light");
  const chosen = read();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const tell = () => button.setAttribute("aria-pressed", String(current() === "dark"));
    button.addEventListener("click", () => {
      root.dataset.theme = current() === "dark" ? "light" : "dark";
      try { localStorage.setItem(KEY, root.dataset.theme); } catch { /* it lasts as long as the page */ }
      tell();
    });
    dark.addEventListener("change", tell);
    tell();
  });
})();
