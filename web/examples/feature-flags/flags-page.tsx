/** The page: the list, a form for a new flag, and what went wrong, said once. */
import { useEffect, useState } from "react";
import type { ReactElement } from "react";
import { useConnection, useEntry, useLive, useNamespace } from "quorate/react";
import { connectionText } from "../common/connection-text.ts";
import { flagSchema, type Flag } from "./flag.ts";
import { FlagRow } from "./flag-row.tsx";
import { NewFlag } from "./new-flag.tsx";

export function FlagsPage(): ReactElement {
  const flags = useNamespace<Flag>("flags/", { schema: flagSchema });
  const { entries, invalid, isStale, revision, error } = useLive(flags);
  const [said, say] = useState("");
  const { text, tone } = connectionText(useConnection());
  // The page obeys one of its own flags: `dark` is the theme of everybody who looks at it.
  const isDark = useEntry(flags, "dark")?.value.on;
  useEffect(() => {
    if (isDark === undefined) delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = isDark ? "dark" : "light";
  }, [isDark]);

  return (
    <main>
      <header>
        <h1>Feature flags</h1>
        <span className="badge" data-tone={tone} role="status">
          {text}
        </span>
      </header>
      <p className="muted">
        Open this page twice: a change is in both at once. The flag <code>dark</code> is the theme of this very page.
      </p>
      <section aria-labelledby="flags-heading" aria-busy={isStale}>
        <h2 id="flags-heading">Flags</h2>
        {entries.size === 0 ? (
          <p className="muted">{isStale ? "Not read yet." : "There are none. Add the first one below."}</p>
        ) : (
          <ul className="flags">
            {[...entries.values()].map((entry) => (
              <FlagRow key={entry.key} entry={entry} flags={flags} say={say} />
            ))}
          </ul>
        )}
        {[...invalid].map(([key, { issues }]) => (
          <p key={key} className="refused" data-tone="bad">
            <code>{key}</code> is stored with something that is no flag: {issues[0]?.message}
          </p>
        ))}
        <p className="said" role="alert">
          {said}
        </p>
      </section>
      <NewFlag flags={flags} say={say} />
      <p className="muted">
        Revision <output>{revision}</output>
        {isStale ? ", and there may be a newer one that this page cannot read now" : ""}
        {error === undefined ? "" : `: ${error.message}`}
      </p>
    </main>
  );
}
