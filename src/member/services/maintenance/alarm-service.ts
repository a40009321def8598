/** etcd's alarms over one member. */
import { alarmResponse } from "../../../protocol/api/maintenance.ts";
import type { AlarmResponse } from "../../../protocol/api/maintenance.ts";
import type { Member } from "../../node/member.ts";
import { checkLeader, propose, readIndex, withHeader } from "../../node/requests.ts";
import type { MaintenanceService } from "../../api/services.ts";

export function alarmService(member: Member): Pick<MaintenanceService, "alarm"> {
  return {
    async alarm(request, context) {
      checkLeader(member, context);
      if (request.action !== "GET") {
        return withHeader(
          member,
          await propose<AlarmResponse>(member, { type: "alarm", alarm: request }, context.caller),
        );
      }
      // etcd's response goes through the log. So this one must not be older than the request either.
      await readIndex(member);
      const { alarms, store } = member.machine;
      return alarmResponse({ header: member.header(store.revision), alarms: alarms.list(request.alarm) });
    },
  };
}
