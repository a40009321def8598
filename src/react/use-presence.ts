/** Shows this participant to the others for as long as the component is mounted, and the others to it. */
import { useEffect, useRef, useState } from "react";
import type { Entry } from "../client/app/entry.ts";
import type { Presence, PresenceOptions } from "../client/app/presence.ts";
import { useClient } from "./provider.ts";

const NOBODY: ReadonlyMap<string, never> = new Map<string, never>();

/** Returns everybody who is here by id, this participant included once it is there. `me` may change with each render. */
export function usePresence<Me>(
  prefix: string,
  me: Me,
  { id, ttl }: PresenceOptions = {},
): ReadonlyMap<string, Entry<Me>> {
  const client = useClient();
  const [members, setMembers] = useState<ReadonlyMap<string, Entry<Me>>>(NOBODY);
  const presence = useRef<Presence<Me> | undefined>(undefined);
  const current = useRef(me);
  useEffect(() => {
    current.current = me;
    // A failed update is repaired by the next one, or when the participant comes back.
    presence.current?.update(me).catch(() => {});
  }, [me]);
  useEffect(() => {
    let isOver = false;
    const entering = client.presence(prefix, current.current, { id, ttl });
    entering.then(
      (entered) => {
        if (isOver) return;
        presence.current = entered;
        entered.members.subscribe(() => setMembers(entered.members.entries));
        setMembers(entered.members.entries);
      },
      // useConnection() says why.
      () => {},
    );
    return () => {
      isOver = true;
      presence.current = undefined;
      setMembers(NOBODY);
      entering.then(
        (entered) => entered.leave(),
        () => {},
      );
    };
  }, [client, prefix, id, ttl]);
  return members;
}
