// The keyboard map. What a key does is written once, in the dialog the server renders: <dl data-keys>, so that
// the help and the behaviour cannot drift apart. `g o` means g, then o.
import { openPalette } from "./palette";
import { nextTheme } from "./theme";

const PAIR_MS = 1200;

function typing(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  return !!element && (/^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName) || element.isContentEditable);
}

function openHelp(): void {
  const help = document.querySelector<HTMLDialogElement>("#keys");
  if (help && !help.open) help.showModal();
}

function rows(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>("tr.goes .go")].filter((link) => link.offsetParent !== null);
}

function step(by: number): void {
  const links = rows();
  const at = links.indexOf(document.activeElement as HTMLElement);
  const next = links[at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function press(name: string): boolean {
  const target = document.querySelector<HTMLElement>(`[data-key="${CSS.escape(name)}"]`);
  const fold = target?.closest<HTMLDetailsElement>("details.fold");
  if (fold) fold.open = true;
  if (!target || target.offsetParent === null) return false;
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) target.focus();
  else target.click();
  return true;
}

export function startKeys(): void {
  let waiting = "";
  let timer = 0;
  const ways = new Map<string, string>();
  document.querySelectorAll<HTMLElement>("[data-goes-to]").forEach((row) => {
    ways.set(row.dataset["keys"] ?? "", row.dataset["goesTo"] ?? "/");
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    // The editor of conditions is in a shadow tree, which hides from `target` that somebody types in it.
    const pressed = event.composedPath()[0] ?? null;
    if (pressed !== event.target && typing(pressed)) return;
    if (typing(event.target)) {
      if (event.key === "Escape") (event.target as HTMLElement).blur();
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    if (waiting) {
      const way = ways.get(`${waiting} ${event.key}`);
      waiting = "";
      clearTimeout(timer);
      if (way) {
        event.preventDefault();
        location.assign(way);
      }
      return;
    }
    switch (event.key) {
      case "?":
        openHelp();
        break;
      case "/":
        openPalette();
        break;
      case "j":
        step(1);
        break;
      case "k":
        step(-1);
        break;
      case "t":
        nextTheme();
        break;
      case "g":
        waiting = "g";
        timer = window.setTimeout(() => (waiting = ""), PAIR_MS);
        break;
      default:
        if (!press(event.key)) return;
    }
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const target = event.target as Element;
    if (target.closest("[data-open-keys]")) openHelp();
    if (target.closest("[data-close-dialog]")) target.closest("dialog")?.close();
    if (target instanceof HTMLDialogElement) target.close();
  });
}
