/** Shows this participant to the others, and the others to this one, as long as the component is mounted. */
import { useEffect, useRef, useState } from "react";
import type { Entry } from "../client/app/entry.ts";
import type { Presence, PresenceOptions } from "../client/app/presence.ts";
import { useClient } from "./provider.ts";

const NO_MEMBERS: ReadonlyMap<string, never> = new Map<string, never>();

/**
 * Returns all present participants by id; this one is included once it is registered. `me` may change with each render.
 */
export function usePresence<Me>(
  prefix: string,
  me: Me,
  { id, ttl }: PresenceOptions = {},
): ReadonlyMap<string, Entry<Me>> {
  const client = useClient();
  const [members, setMembers] = useState<ReadonlyMap<string, Entry<Me>>>(NO_MEMBERS);
  const presence = useRef<Presence<Me> | undefined>(undefined);
  const current = useRef(me);
  useEffect(() => {
    current.current = me;
    // The next update repairs a failed one, as does a new session.
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
      // useConnection() reports the reason.
      () => {},
    );
    return () => {
      isOver = true;
      presence.current = undefined;
      setMembers(NO_MEMBERS);
      entering.then(
        (entered) => entered.leave(),
        () => {},
      );
    };
  }, [client, prefix, id, ttl]);
  return members;
}
