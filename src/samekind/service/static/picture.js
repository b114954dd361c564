// Takes a picture that is chosen, dropped or pasted, and shrinks it until it fits into an address.

const LONGEST = 384; // pixels of the longer side, more than most retrievers look at
const MOST_BYTES = 24 * 1024;
const MOST_FILE = 64 * 1024 * 1024;
const TRIES = [[1, 0.85], [1, 0.7], [0.75, 0.7], [0.6, 0.6], [0.4, 0.5]]; // of the size, and quality

/** The picture as a data address of at most 24 KiB, upright and on white. Throws Error with a sentence for people. */
export async function shrunk(file) {
  if (file.size > MOST_FILE) throw new Error("This file is larger than 64 MiB. Choose a smaller picture.");
  const address = URL.createObjectURL(file);
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    let encoded = "";
    for (const [share, quality] of TRIES) {
      encoded = encode(image, share * LONGEST, quality);
      if (encoded.length <= (MOST_BYTES * 4) / 3) break;
    }
    return encoded;
  } catch (error) {
    throw new Error("This file could not be opened as a picture. Try a PNG, JPEG or WebP.", { cause: error });
  } finally {
    URL.revokeObjectURL(address);
  }
}

function encode(image, longest, quality) {
  const [width, height] = [image.naturalWidth || longest, image.naturalHeight || longest]; // an SVG may have no size
  const scale = Math.min(1, longest / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const webp = canvas.toDataURL("image/webp", quality);
  if (webp.startsWith("data:image/webp")) return webp;
  return canvas.toDataURL("image/jpeg", quality); // of a browser that cannot write WebP
}

/** Call `taken(file)` for each picture that is chosen in `input`, dropped on the page or pasted into it. */
export function listen(input, taken) {
  const first = (files) => [...(files ?? [])].find((file) => file.type.startsWith("image/"));
  input.addEventListener("change", () => {
    if (input.files.length) taken(input.files[0]);
    input.value = ""; // the same file can be chosen again
  });
  addEventListener("paste", (event) => {
    const file = first(event.clipboardData?.files);
    const typing = event.target.matches?.("input[type=text]") && event.clipboardData.types.includes("text/plain");
    if (!file || typing) return; // words go where they are pasted
    event.preventDefault();
    taken(file);
  });
  const over = (event, is) => {
    if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    document.body.classList.toggle("dropping", is);
  };
  addEventListener("dragover", (event) => over(event, true));
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) over(event, false); });
  addEventListener("drop", (event) => {
    over(event, false);
    const file = first(event.dataTransfer?.files) ?? event.dataTransfer?.files?.[0];
    if (file) taken(file);
  });
}
