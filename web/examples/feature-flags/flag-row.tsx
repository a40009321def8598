/** One flag: a switch and its rollout. A change is made only to what the person saw. */
import { useState } from "react";
import type { FormEvent, ReactElement } from "react";
import { ConflictError, InvalidValueError } from "quorate";
import type { Entry, Namespace } from "quorate";
import { messageOf } from "../common/page.ts";
import type { Flag } from "./flag.ts";

export interface FlagRowProps {
  readonly entry: Entry<Flag>;
  readonly flags: Namespace<Flag>;
  readonly say: (text: string) => void;
}

export function FlagRow({ entry, flags, say }: FlagRowProps): ReactElement {
  const { key, value, etag } = entry;
  const [isSaving, setSaving] = useState(false);

  const save = async (next: Flag): Promise<void> => {
    setSaving(true);
    try {
      // Refused if somebody changed the flag after this person saw it.
      await flags.put(key, next, { ifMatch: etag });
      say("");
    } catch (error) {
      say(whyNot(key, error));
    } finally {
      setSaving(false);
    }
  };
  const setRollout = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const rollout = new FormData(event.currentTarget).get("rollout");
    void save({ ...value, rollout: rollout === "" ? Number.NaN : Number(rollout) });
  };

  return (
    <li>
      <button
        type="button"
        role="switch"
        aria-checked={value.on}
        disabled={isSaving}
        onClick={() => void save({ ...value, on: !value.on })}
      >
        <span className="knob" aria-hidden="true" />
        {key}
      </button>
      {/* The schema is asked, not the browser: the same rule then holds for every client. */}
      <form onSubmit={setRollout} noValidate>
        <label>
          <span>Rollout in percent</span>
          {/* A new key when another person changed it: the field then shows theirs. */}
          <input key={value.rollout} name="rollout" type="number" defaultValue={value.rollout} />
        </label>
        <button type="submit" disabled={isSaving}>
          Save
        </button>
      </form>
    </li>
  );
}

function whyNot(key: string, error: unknown): string {
  if (error instanceof ConflictError) return `Somebody just changed ${key}. Look again.`;
  if (error instanceof InvalidValueError) return error.issues.map(({ message }) => message).join(" ");
  return messageOf(error);
}
