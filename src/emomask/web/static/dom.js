// Small help with elements; text is always text, never markup.

export const $ = (id) => document.getElementById(id);

/** A new element with properties and children (elements or texts). */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Tell those who cannot see the page what has changed. */
export function announce(text) {
  $("announcer").textContent = text;
}

export const percent = (share) => `${Math.round(share * 100)}\u00a0%`;
