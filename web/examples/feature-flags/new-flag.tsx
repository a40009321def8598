/** Adds a flag. Of two people who add the same one, the second is told that it exists. */
import type { FormEvent, ReactElement } from "react";
import { messageOf } from "../common/page.ts";
import type { FlagRowProps } from "./flag-row.tsx";

export function NewFlag({ flags, say }: Omit<FlagRowProps, "entry">): ReactElement {
  const add = async (form: HTMLFormElement): Promise<void> => {
    const given = new FormData(form).get("name");
    const name = typeof given === "string" ? given.trim() : "";
    if (name === "") return say("A flag needs a name.");
    try {
      const { created } = await flags.create(name, { on: false, rollout: 100 });
      say(created ? "" : `${name} exists already.`);
      if (created) form.reset();
    } catch (error) {
      say(messageOf(error));
    }
  };
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    void add(event.currentTarget);
  };
  return (
    <section aria-labelledby="new-heading">
      <h2 id="new-heading">New flag</h2>
      <form className="new" onSubmit={submit}>
        <label>
          <span>Name</span>
          <input name="name" autoComplete="off" spellCheck={false} />
        </label>
        <button type="submit" className="main">
          Add
        </button>
      </form>
    </section>
  );
}
