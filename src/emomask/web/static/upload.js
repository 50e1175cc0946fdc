// Files from the visitor's disk: chosen, dropped or pasted; masked two at a time.

import { $ } from "./dom.js";
import { Result } from "./result.js";

const AT_A_TIME = 2;

const waiting = [];
let running = 0;

export function fillUpload({ limits }) {
  const video = limits.video_mb ? `, videos up to ${limits.video_mb} MB and ${limits.video_seconds} s` : "";
  $("drop-help").textContent =
    `Pictures up to ${limits.picture_mb} MB and ${limits.megapixels} megapixels (JPEG, PNG, WebP, HEIC, TIFF …)${video}.`;
  $("files").addEventListener("change", () => {
    add([...$("files").files]);
    $("files").value = "";
  });
  const drop = $("drop");
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    add([...event.dataTransfer.files]);
  });
  document.addEventListener("paste", (event) => {
    if (!$("panel-upload").hidden) add([...event.clipboardData.files]);
  });
}

function add(files) {
  for (const file of files) {
    const result = new Result(file.name || "Pasted picture", { file });
    $("upload-results").prepend(result.card);
    waiting.push(result);
  }
  work();
}

async function work() {
  if (running >= AT_A_TIME || !waiting.length) return;
  running += 1;
  const next = waiting.shift();
  work();
  await next.mask();
  running -= 1;
  work();
}
