/** What the pages have in common: their elements and their address. */

/** Returns the element with this id. A page without it is a mistake. */
export function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element ${id}`);
  return found;
}

/** Returns a parameter of the page's address, such as `?endpoint=https://quorate.example`. */
export function parameter(name: string, otherwise: string): string {
  return new URLSearchParams(location.search).get(name) ?? otherwise;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
