/** The hooks in a real Chromium with React itself, on a real member in this page. */
import { act, Component, createElement, startTransition, StrictMode, Suspense, useState } from "react";
import type { FunctionComponent, ReactElement, ReactNode } from "react";
import { createRoot, hydrateRoot, type Root } from "react-dom/client";
import { renderToString } from "react-dom/server.browser";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { applicationClient, type ApplicationClient } from "../../src/client/app/application-client.ts";
import { Connection } from "../../src/client/app/connection.ts";
import { createClient } from "../../src/client/client.ts";
import { SYSTEM_BACKOFF } from "../../src/client/common/backoff.ts";
import {
  QuorateProvider,
  useClient,
  useConnection,
  useEntry,
  useLeader,
  useLive,
  useLock,
  useNamespace,
  useOutbox,
  usePresence,
} from "../../src/entry/react.ts";
import { startMember } from "../client/support/own-member.ts";

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

const EMPTY = { entries: new Map(), invalid: new Map(), revision: 0, isStale: true, since: 0 };

let member: Awaited<ReturnType<typeof startMember>>;
let client: ApplicationClient;
let place: HTMLElement;
const roots: Root[] = [];

beforeEach(async () => {
  member = await startMember();
  const connection = new Connection();
  client = applicationClient(createClient(member.services), {
    backoff: SYSTEM_BACKOFF,
    connection,
    place: crypto.randomUUID(),
  });
  place = document.body.appendChild(document.createElement("div"));
});
afterEach(async () => {
  for (const root of roots.splice(0)) await act(async () => root.unmount());
  void client.close();
  member.member.stop();
  place.remove();
});

function tree(component: FunctionComponent): ReactElement {
  return createElement(StrictMode, undefined, createElement(QuorateProvider, { client }, createElement(component)));
}

async function render(component: FunctionComponent): Promise<Root> {
  const root = createRoot(place);
  roots.push(root);
  await act(async () => root.render(tree(component)));
  return root;
}

/** Waits until the page shows this; only what hangs ends here. */
async function shows(text: string): Promise<void> {
  await vi.waitFor(
    async () => {
      await act(async () => {});
      expect(place.textContent).toBe(text);
    },
    { timeout: 60_000, interval: 10 },
  );
}

async function leases(): Promise<number> {
  return (await client.lease.leases()).ids.length;
}

describe("useOutbox", () => {
  test("shows what is queued and what became of it", async () => {
    await render(function Queued() {
      const { entries, pending } = useOutbox();
      return createElement("p", {}, `${pending} of ${entries.map(({ verdict }) => verdict?.type).join()}`);
    });
    await shows("0 of ");
    await act(async () => void (await client.outbox.put("k", "v").verdict));
    await shows("0 of committed");
    await act(async () => void (await client.outbox.put("k", "v", { ifMatch: "0" }).verdict));
    await shows("0 of committed,refused");
  });
});

describe("useLive and useEntry", () => {
  test("show what is there and what comes, and an entry renders again only when it changes", async () => {
    let renders = 0;
    const flags = client.namespace<boolean>("flags/");
    await flags.put("dark", true);
    await render(function Flags() {
      const { entries } = useLive(useNamespace<boolean>("flags/"));
      const dark = useEntry(flags, "dark");
      if (dark !== undefined) renders += 1;
      return createElement("p", {}, `${String(dark?.value)} of ${entries.size}`);
    });
    await shows("true of 1");
    await flags.put("beta", false);
    await shows("true of 2");
    await flags.put("dark", false);
    await shows("false of 2");
    expect(renders).toBeGreaterThan(0);
  });

  test("an entry's component is left alone by changes of its neighbours", async () => {
    const flags = client.namespace<number>("flags/");
    await flags.put("mine", 1);
    let renders = 0;
    await render(function Mine() {
      const mine = useEntry(flags, "mine");
      if (mine !== undefined) renders += 1;
      return createElement("p", {}, String(mine?.value));
    });
    await shows("1");
    const before = renders;
    for (let at = 0; at < 5; at++) await flags.put("other", at);
    const live = flags.live();
    await live.ready;
    live.close();
    expect(renders).toBe(before);
    await flags.put("mine", 2);
    await shows("2");
  });

  test("suspend until the first list is there, in a namespace that each render asks for anew", async () => {
    await client.namespace<string>("flags/").put("colour", "blue");
    const seen: string[] = [];
    function Colour(): ReactElement {
      const flags = useNamespace<string>("flags/");
      const colour = useEntry(flags, "colour", { suspense: true });
      const { entries } = useLive(flags, { suspense: true });
      seen.push(`${colour?.value} of ${entries.size}`);
      return createElement("p", {}, seen.at(-1));
    }
    await render(() => createElement(Suspense, { fallback: "waiting" }, createElement(Colour)));
    await shows("blue of 1");
    expect(new Set(seen)).toEqual(new Set(["blue of 1"]));
    await client.namespace<string>("flags/").put("colour", "red");
    await shows("red of 1");
  });

  test("a list that fails is thrown to the error boundary of a component that suspends", async () => {
    const broken = client.namespace<string>("flags/");
    const live = broken.live.bind(broken);
    vi.spyOn(broken, "live").mockImplementation(() => {
      const map = live();
      map.close();
      const error = new Error("no such luck");
      return Object.assign(map, { getSnapshot: () => ({ ...EMPTY, error }) });
    });
    vi.spyOn(console, "error").mockImplementation(() => {});
    class Boundary extends Component<{ readonly children?: ReactNode }, { readonly text: string }> {
      override state = { text: "" };
      static getDerivedStateFromError(error: Error): { readonly text: string } {
        return { text: error.message };
      }
      override render(): ReactNode {
        return this.state.text === "" ? this.props.children : this.state.text;
      }
    }
    function Colour(): ReactElement {
      return createElement("p", {}, useEntry(broken, "colour", { suspense: true })?.value);
    }
    await render(() => createElement(Boundary, {}, createElement(Suspense, {}, createElement(Colour))));
    await shows("no such luck");
    vi.restoreAllMocks();
  });

  test("two components never show two revisions, also while a transition renders slowly", async () => {
    const counters = client.namespace<number>("counters/");
    await counters.put("n", 0);
    const torn: string[] = [];
    let go: (round: number) => void = () => {};
    function Reader(): ReactElement {
      const value = useEntry(counters, "n")?.value;
      const untilMs = performance.now() + 3;
      while (performance.now() < untilMs);
      return createElement("i", {}, String(value ?? ""));
    }
    await render(function Both() {
      const [round, setRound] = useState(0);
      go = setRound;
      return createElement(
        "p",
        { title: String(round) },
        ...Array.from({ length: 6 }, (_, key) => createElement(Reader, { key })),
      );
    });
    const watch = new MutationObserver(() => {
      const texts = [...place.querySelectorAll("i")].map((each) => each.textContent);
      if (new Set(texts).size > 1) torn.push(texts.join());
    });
    watch.observe(place, { subtree: true, childList: true, characterData: true });
    for (let round = 1; round <= 20; round++) {
      await act(async () => {
        startTransition(() => go(round));
        await counters.put("n", round);
      });
    }
    await shows("20".repeat(6));
    watch.disconnect();
    expect(torn).toEqual([]);
  });

  test("a server renders what it has listed, and hydration shows it until the client has its own", async () => {
    const flags = client.namespace<string>("flags/");
    await flags.put("colour", "blue");
    const initial = await flags.list();
    function Colour(): ReactElement {
      const colour = useEntry(flags, "colour", { initial });
      return createElement("p", {}, colour?.value ?? "nothing");
    }
    place.innerHTML = renderToString(tree(Colour));
    expect(place.textContent).toBe("blue");
    await flags.put("colour", "red");
    const complaints = vi.spyOn(console, "error");
    await act(async () => {
      roots.push(hydrateRoot(place, tree(Colour)));
    });
    await shows("red");
    expect(complaints).not.toHaveBeenCalled();
    complaints.mockRestore();
  });
});

test("useConnection shows the client's connection", async () => {
  await render(function State() {
    return createElement("p", {}, useConnection().state);
  });
  await shows("idle");
  await act(async () => client.close());
  await shows("closed");
});

test("usePresence returns the present participants, follows changes, and leaves with its component", async () => {
  const bob = await client.presence("room/", "Bob", { id: "bob" });
  const root = await render(function Room() {
    const members = usePresence("room/", "Ann", { id: "ann" });
    return createElement(
      "p",
      {},
      [...members.values()]
        .map(({ value }) => value)
        .toSorted()
        .join(", "),
    );
  });
  await shows("Ann, Bob");
  await act(() => bob.update("Robert"));
  await shows("Ann, Robert");
  await act(async () => root.unmount());
  await vi.waitFor(() => expect([...bob.members.entries.keys()]).toEqual(["bob"]), { timeout: 60_000 });
  await bob.leave();
});

test("useLock and useLeader hold while mounted, under StrictMode too, and leave no lease behind", async () => {
  const root = await render(function Holder() {
    const lock = useLock("refresh");
    const leadership = useLeader("poller", "me");
    return createElement(
      "p",
      {},
      `${lock === undefined ? "no lock" : "lock"}, ${leadership === undefined ? "no" : "leads"}`,
    );
  });
  await shows("lock, leads");
  expect(await leases()).toBe(2);
  await act(async () => root.unmount());
  await vi.waitFor(async () => expect(await leases()).toBe(0), { timeout: 60_000 });
});

test("a component without a provider gets an error that says what it needs", () => {
  function Lost(): ReactElement {
    useClient();
    return createElement("p");
  }
  expect(() => renderToString(createElement(Lost))).toThrow("<QuorateProvider client={…}>");
});
