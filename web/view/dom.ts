/** Makes elements and changes only what changed. The page is too small for a framework. */

type Listener = (event: Event) => void;
type Attributes = Readonly<Record<string, string | number | boolean | Listener>>;

/** A function is a listener, `true` an attribute without a value; `false` leaves it out. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice("on".length), value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string | undefined): void {
  if (value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export interface Row<Item> {
  readonly element: HTMLElement;
  update(item: Item): void;
}

/** Shows a list and keeps the element of an item as long as the item stays, so that focus and selection survive. */
export class KeyedRows<Item> {
  readonly #parent: Element;
  readonly #keyOf: (item: Item) => string;
  readonly #make: (item: Item) => Row<Item>;
  #rows: ReadonlyMap<string, Row<Item>> = new Map();

  constructor(parent: Element, keyOf: (item: Item) => string, make: (item: Item) => Row<Item>) {
    this.#parent = parent;
    this.#keyOf = keyOf;
    this.#make = make;
  }

  show(items: readonly Item[]): void {
    const rows = new Map<string, Row<Item>>();
    for (const item of items) {
      const key = this.#keyOf(item);
      const row = this.#rows.get(key) ?? this.#make(item);
      row.update(item);
      rows.set(key, row);
    }
    for (const [key, { element }] of this.#rows) if (!rows.has(key)) element.remove();
    let at = this.#parent.firstElementChild;
    for (const { element } of rows.values()) {
      if (element === at) at = at.nextElementSibling;
      else this.#parent.insertBefore(element, at);
    }
    this.#rows = rows;
  }
}

export interface Drawing {
  /** For what the user did: shown in the next frame. */
  readonly now: () => void;
  /** For what happened elsewhere: shown a few times a second, since drawing takes time from the member. */
  readonly soon: () => void;
}

const NEWS_EVERY_MS = 400;

/** Makes one drawing of many calls, and none while the page is hidden. */
export function drawing(draw: () => void): Drawing {
  let isFrameAsked = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let drawnMs = -NEWS_EVERY_MS;
  const now = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (isFrameAsked) return;
    isFrameAsked = true;
    requestAnimationFrame(() => {
      isFrameAsked = false;
      drawnMs = performance.now();
      draw();
    });
  };
  return {
    now,
    soon: () => {
      if (isFrameAsked || timer !== undefined) return;
      const waitMs = drawnMs + NEWS_EVERY_MS - performance.now();
      if (waitMs <= 0) now();
      else timer = setTimeout(now, waitMs);
    },
  };
}

const ICONS = {
  edit: "M11.3 2.3a1.5 1.5 0 0 1 2.1 2.1L5.6 12.2 2.5 13.5l1.3-3.1z",
  delete: "M3 4.5h10M6.5 4V2.5h3V4M4.5 4.5l.6 9h5.8l.6-9M6.8 7v4M9.2 7v4",
  plus: "M8 3v10M3 8h10",
  folder: "M2 12.5v-9h4l1.5 2H14v7z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3l7.5 5L5 13z",
  copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
  first: "M4 3.5v9M12 3.5L7 8l5 4.5",
  previous: "M10.5 3.5L6 8l4.5 4.5",
  next: "M5.5 3.5L10 8l-4.5 4.5",
} as const;

const SVG = "http://www.w3.org/2000/svg";

/** Draws the sign, which a font may lack. It is hidden from screen readers: its button has a label. */
export function icon(name: keyof typeof ICONS): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}
