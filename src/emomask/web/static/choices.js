// The form that says how faces are covered.

import { $, element, percent } from "./dom.js";

const NAMES = { emoji: "Emoji", blur: "Blur", pixelate: "Mosaic", solid: "Grey" };
const WIDE = "(min-width: 60rem)"; // as in style.css: the choices have a column of their own

const listeners = new Set();

/** Call `listener` with the choices whenever they change, until the function that this returns is called. */
export function onChoices(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function fillChoices(options) {
  for (const style of options.styles) {
    const radio = element("input", { type: "radio", name: "style", value: style, checked: style === options.defaults.style });
    $("styles").append(element("label", {}, radio, NAMES[style] || style));
  }
  for (const name of options.emoji_sets) {
    $("set").append(element("option", { value: name }, name[0].toUpperCase() + name.slice(1)));
  }
  $("margin").max = Math.max(1, options.defaults.margin);
  $("margin").value = options.defaults.margin;
  $("choices-panel").open = matchMedia(WIDE).matches;
  $("choices").addEventListener("input", changed);
  $("choices").addEventListener("submit", (event) => event.preventDefault());
  changed();
}

export function choices() {
  return {
    style: $("choices").elements.style.value,
    emoji_set: $("set").value,
    margin: $("margin").value,
    format: $("format").value,
  };
}

function changed() {
  $("margin-value").textContent = `(${percent(Number($("margin").value))} of its size)`;
  $("set-field").hidden = choices().style !== "emoji";
  for (const listener of listeners) listener(choices());
}
