// Pictures that the server fetches from a URL. The page itself never loads them from there.

import { $, announce, element } from "./dom.js";
import { Result } from "./result.js";

export function fillAddress() {
  $("address").addEventListener("submit", (event) => {
    event.preventDefault();
    const field = $("address-field");
    const url = field.value.trim();
    $("address").querySelector(".error")?.remove();
    field.removeAttribute("aria-invalid");
    if (!/^https?:\/\/./i.test(url)) {
      const text = "Paste the whole address of a picture, beginning with https:// or http://.";
      $("address").append(element("p", { className: "notice error", id: "address-error" }, text));
      field.setAttribute("aria-invalid", "true");
      announce(text);
      field.focus();
      return;
    }
    const result = new Result(nameOf(url), { url });
    $("address-results").prepend(result.card);
    result.mask();
  });
}

function nameOf(url) {
  try {
    const place = new URL(url);
    return decodeURIComponent(place.pathname.split("/").pop()) || place.hostname;
  } catch {
    return url;
  }
}
