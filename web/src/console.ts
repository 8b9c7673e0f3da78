// The console's one script: wires the islands below to the server-rendered pages. Pages read and work without it,
// except for charts (whose tables stay), the palette and keys.
import htmx from "htmx.org";
import { startFilters } from "./filter";
import { startKeys } from "./keys";
import { startPalette } from "./palette";
import { startTabs } from "./tabs";
import { startTheme } from "./theme";
import { refreshTimes, startTimes } from "./times";

htmx.config.allowEval = false;
htmx.config.includeIndicatorStyles = false;
htmx.config.selfRequestsOnly = true;
htmx.config.historyCacheSize = 0;
htmx.config.allowScriptTags = false;

function csrfToken(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="csrf"]')?.content ?? "";
}

document.addEventListener("htmx:configRequest", (event) => {
  (event as CustomEvent<{ headers: Record<string, string> }>).detail.headers["X-CSRF-Token"] = csrfToken();
});

// A poll that fails (server restarting, network away) is said once, quietly, and unsaid when it works again.
function say(online: boolean): void {
  document.querySelectorAll<HTMLElement>("[data-offline]").forEach((place) => {
    place.hidden = online;
  });
}
document.addEventListener("htmx:sendError", () => say(false));
document.addEventListener("htmx:responseError", () => say(false));
document.addEventListener("htmx:afterOnLoad", () => say(true));

async function drawCharts(): Promise<void> {
  if (!document.querySelector("[data-chart]")) return;
  const { draw } = await import("./charts");
  draw();
}

async function openEditor(): Promise<void> {
  if (!document.querySelector("[data-writing]")) return;
  const { startEditor } = await import("./editor");
  startEditor();
}

// Two clicks must not send a form twice.
document.addEventListener("submit", (event) => {
  const form = event.target as HTMLFormElement;
  if (event.defaultPrevented || form.method === "get") return;
  const submitter = (event as SubmitEvent).submitter as HTMLButtonElement | null;
  if (form.dataset["sent"]) {
    event.preventDefault();
    return;
  }
  form.dataset["sent"] = "1";
  submitter?.setAttribute("aria-disabled", "true");
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll<HTMLFormElement>("form[data-sent]").forEach((form) => delete form.dataset["sent"]);
});

function start(): void {
  startTheme();
  startTimes();
  startTabs();
  startFilters();
  startPalette();
  startKeys();
  void drawCharts();
  void openEditor();
  document.addEventListener("htmx:afterSettle", () => {
    refreshTimes();
    void drawCharts();
  });
  document.documentElement.dataset["ready"] = "1";
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
