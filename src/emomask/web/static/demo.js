// The demo pictures; the one that was picked is masked, and masked again when the choices change.

import { demoPicture } from "./api.js";
import { onChoices } from "./choices.js";
import { $, announce, element } from "./dom.js";
import { Result } from "./result.js";

const SETTLING = 300; // ms without another change of the choices

let result = null;
let timer = 0;

export async function fillDemo(options) {
  $("demo-pictures").replaceChildren();
  for (const { name, title } of options.demo) {
    const image = element("img", { alt: "", width: 160, height: 120 });
    const button = element("button", { type: "button" }, image, element("span", {}, title));
    button.setAttribute("aria-pressed", "false");
    button.disabled = true;
    $("demo-pictures").append(button);
    try {
      const file = await demoPicture(name);
      image.src = URL.createObjectURL(file);
      button.disabled = false;
      button.addEventListener("click", () => pick(button, title, file));
    } catch (error) {
      announce(error.message);
      button.lastChild.textContent = error.message;
    }
  }
}

function pick(button, title, file) {
  clearTimeout(timer); // this result has the new choices already
  for (const other of $("demo-pictures").children) other.setAttribute("aria-pressed", String(other === button));
  result?.close();
  result = new Result(title, { file, origin: "a demo picture", canGo: false });
  $("demo-result").replaceChildren(result.card);
  result.mask();
}

onChoices(() => {
  clearTimeout(timer);
  timer = setTimeout(() => result?.mask(), SETTLING);
});
