/** Feature flags that everybody sees change at once. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { connect } from "quorate";
import { QuorateProvider } from "quorate/react";
import { element, parameter } from "../common/page.ts";
import "../common/style.css";
import "./flags.css";
import { FlagsPage } from "./flags-page.tsx";

// Made and closed outside of rendering: one client for the page.
const client = connect({ endpoint: parameter("endpoint", "http://localhost:8787") });

createRoot(element("root")).render(
  <StrictMode>
    <QuorateProvider client={client}>
      <FlagsPage />
    </QuorateProvider>
  </StrictMode>,
);
