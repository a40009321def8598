/** What a flag is. Any Standard Schema will do: valibot's and arktype's as well as zod's. */
import { z } from "zod";

export interface Flag {
  readonly on: boolean;
  /** Percent of the visitors who get it while it is on. */
  readonly rollout: number;
}

export const flagSchema: z.ZodType<Flag> = z.object({
  on: z.boolean("A flag is on or off."),
  rollout: z
    .number("The rollout is a number.")
    .int("The rollout is whole percents.")
    .min(0, "The rollout is at least 0 percent.")
    .max(100, "The rollout is at most 100 percent."),
});
