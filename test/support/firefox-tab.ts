/** A tab of a Firefox, in a container of its own: what a person does with it, and what runs in its page. */
import type { Bidi } from "./bidi.ts";
import { evaluate } from "./firefox.ts";
import type { Firefox } from "./firefox.ts";

export class FirefoxTab {
  readonly #firefox: Firefox;
  readonly #container: string;
  readonly #url: string;
  #context = "";
  readonly #preload: string | undefined;

  private constructor(firefox: Firefox, container: string, url: string, preload: string | undefined) {
    this.#firefox = firefox;
    this.#container = container;
    this.#url = url;
    this.#preload = preload;
  }

  /** `preload` runs in each of its pages before anything of theirs. */
  static async open(firefox: Firefox, url: string, preload?: () => void): Promise<FirefoxTab> {
    const { userContext } = await firefox.bidi.send<{ userContext: string }>("browser.createUserContext", {});
    const tab = new FirefoxTab(firefox, userContext, url, preload?.toString());
    await tab.reopen();
    return tab;
  }

  /** After `close` or `kill`: a new tab with the data of the former. */
  async reopen(): Promise<void> {
    const { context } = await this.#bidi.send<{ context: string }>("browsingContext.create", {
      type: "tab",
      userContext: this.#container,
    });
    this.#context = context;
    if (this.#preload !== undefined) {
      await this.#bidi.send("script.addPreloadScript", { functionDeclaration: this.#preload, contexts: [context] });
    }
    await this.goto(this.#url);
  }

  async goto(url: string): Promise<void> {
    await this.#bidi.send("browsingContext.navigate", { context: this.#context, url, wait: "complete" });
  }

  async reload(): Promise<void> {
    await this.#bidi.send("browsingContext.reload", { context: this.#context, wait: "complete" });
  }

  async close(): Promise<void> {
    await this.#bidi.send("browsingContext.close", { context: this.#context });
  }

  /** The function is sent as text, so it stands alone; its argument and result cross as JSON. */
  evaluate<Result, Argument = undefined>(
    run: (argument: Argument) => Result | Promise<Result>,
    ...[argument]: Argument extends undefined ? [] : [Argument]
  ): Promise<Result> {
    return evaluate<Result>(this.#bidi, this.#context, `(${run.toString()})(${JSON.stringify(argument)})`);
  }

  /** SIGKILL to the process that runs its page: no handler runs. */
  async kill(): Promise<void> {
    const pid = await this.#inItsBrowser<number>("browser.browsingContext.currentWindowGlobal.osPid");
    process.kill(pid, "SIGKILL");
  }

  /** As a person who clears the site's data in the settings. Resolves when it is gone. */
  async clearSiteData(): Promise<void> {
    const host = JSON.stringify(new URL(this.#url).hostname);
    await this.#inItsBrowser(`new Promise((resolve) => {
      const { userContextId } = browser.contentPrincipal.originAttributes;
      const what = Ci.nsIClearDataService.CLEAR_DOM_STORAGES;
      Services.clearData.deleteDataFromSite(${host}, { userContextId }, true, what, { onDataDeleted: () => resolve(true) });
    })`);
  }

  get #bidi(): Bidi {
    return this.#firefox.bidi;
  }

  /** An expression about `browser`, the element that shows this tab. It is found by its title. */
  async #inItsBrowser<Result>(expression: string): Promise<Result> {
    const mark = crypto.randomUUID();
    await this.evaluate((title: string) => void (document.title = title), mark);
    return this.#firefox.evaluateInWindow<Result>(`(async () => {
      for (;;) {
        const browser = gBrowser.browsers.find(({ contentTitle }) => contentTitle === "${mark}");
        if (browser !== undefined) return ${expression};
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })()`);
  }
}
