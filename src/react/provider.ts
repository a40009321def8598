/** Provides a client to the components below it. */
import { createContext, createElement, useContext } from "react";
import type { Context, ReactElement, ReactNode } from "react";
import type { ApplicationClient } from "../client/app/application-client.ts";

const ClientContext: Context<ApplicationClient | undefined> = createContext<ApplicationClient | undefined>(undefined);

/** Properties of `QuorateProvider`. */
export interface QuorateProviderProps {
  /** Created and closed by the application, outside of rendering. */
  readonly client: ApplicationClient;
  readonly children?: ReactNode;
}

/** Provides a client to the hooks of all components below it. */
export function QuorateProvider({ client, children }: QuorateProviderProps): ReactElement {
  return createElement(ClientContext.Provider, { value: client }, children);
}

/** Returns the client of the nearest provider. Throws if there is none. */
export function useClient(): ApplicationClient {
  const client = useContext(ClientContext);
  if (client === undefined) throw new Error("this component needs a <QuorateProvider client={…}> above it");
  return client;
}
