/** What is configured. Any Standard Schema will do: valibot's and arktype's as well as zod's. */
import { z } from "zod";

export interface Config {
  readonly banner: string;
  /** In euros. */
  readonly freeShippingFrom: number;
}

export const DEFAULTS: Config = { banner: "Welcome", freeShippingFrom: 50 };

export const configSchema: z.ZodType<Config> = z.object({
  banner: z.string().max(200),
  freeShippingFrom: z.number().min(0),
});
