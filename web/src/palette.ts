// The command palette: pages at once, accounts, events and cases as the server finds them.
interface Entry {
  what: string;
  label: string;
  hint?: string;
  href: string;
}

const DELAY_MS = 140;
let dialog: HTMLDialogElement | null = null;
let input: HTMLInputElement | null = null;
let list: HTMLUListElement | null = null;
let pages: Entry[] = [];
let shown: Entry[] = [];
let chosen = 0;
let asked = 0;
let timer = 0;

function render(entries: Entry[]): void {
  if (!list || !input) return;
  shown = entries;
  chosen = Math.min(chosen, Math.max(0, entries.length - 1));
  list.replaceChildren(
    ...entries.map((entry, index) => {
      const row = document.createElement("li");
      row.id = `palette-${index}`;
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", String(index === chosen));
      row.dataset["index"] = String(index);
      for (const [name, text] of [
        ["what", entry.what],
        ["label", entry.label],
        ["hint", entry.hint ?? ""],
      ] as const) {
        const part = document.createElement("span");
        part.className = name;
        part.textContent = text;
        row.append(part);
      }
      return row;
    }),
  );
  const none = dialog?.querySelector<HTMLElement>("[data-none]");
  if (none) none.hidden = entries.length > 0;
  mark();
}

function mark(): void {
  list?.querySelectorAll("li").forEach((row, index) => {
    row.setAttribute("aria-selected", String(index === chosen));
    if (index === chosen) row.scrollIntoView({ block: "nearest" });
  });
  if (shown.length) input?.setAttribute("aria-activedescendant", `palette-${chosen}`);
  else input?.removeAttribute("aria-activedescendant");
}

function matching(text: string): Entry[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return pages.filter((page) => words.every((word) => page.label.toLowerCase().includes(word)));
}

async function ask(text: string): Promise<void> {
  const mine = ++asked;
  const answer = await fetch(`/palette?q=${encodeURIComponent(text)}`, { headers: { Accept: "application/json" } });
  if (!answer.ok || mine !== asked) return;
  const found = (await answer.json()) as Entry[];
  if (mine === asked) render([...matching(text), ...found]);
}

function typed(): void {
  const text = input?.value.trim() ?? "";
  chosen = 0;
  asked += 1;
  clearTimeout(timer);
  render(matching(text));
  if (text.length >= 2) timer = window.setTimeout(() => void ask(text), DELAY_MS);
}

function go(index: number): void {
  const entry = shown[index];
  if (entry) location.assign(entry.href);
}

export function openPalette(): void {
  if (!dialog || !input || dialog.open) return;
  input.value = "";
  chosen = 0;
  dialog.showModal();
  render(matching(""));
  input.focus();
}

export function startPalette(): void {
  dialog = document.querySelector("#palette");
  input = dialog?.querySelector("input") ?? null;
  list = dialog?.querySelector("ul") ?? null;
  pages = [...document.querySelectorAll<HTMLAnchorElement>("#nav .nav a")].map((link) => ({
    what: "Page",
    label: link.dataset["name"] ?? link.textContent?.trim() ?? "",
    hint: link.dataset["keys"] ?? "",
    href: link.getAttribute("href") ?? "/",
  }));
  document.addEventListener("click", (event) => {
    if ((event.target as Element).closest("[data-open-palette]")) openPalette();
  });
  input?.addEventListener("input", typed);
  input?.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const by = event.key === "ArrowDown" ? 1 : -1;
      chosen = shown.length ? (chosen + by + shown.length) % shown.length : 0;
      mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      go(chosen);
    }
  });
  list?.addEventListener("click", (event) => {
    const row = (event.target as Element).closest<HTMLElement>("li");
    if (row) go(Number(row.dataset["index"]));
  });
}
