/** Why the page cannot show what its address asks for, in words for people. */
export class PageRefusal extends Error {
  /** Where to go instead. */
  readonly link: { readonly href: string; readonly text: string } | undefined;

  constructor(text: string, link?: { readonly href: string; readonly text: string }) {
    super(text);
    this.name = "PageRefusal";
    this.link = link;
  }
}
