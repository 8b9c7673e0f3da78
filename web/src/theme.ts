// The theme: system, light or dark, kept in a cookie so that the server can render it without a flash.
const ORDER = ["system", "light", "dark"] as const;
type Theme = (typeof ORDER)[number];

function current(): Theme {
  const set = document.documentElement.dataset["theme"];
  return set === "light" || set === "dark" ? set : "system";
}

function apply(theme: Theme): void {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset["theme"];
  else root.dataset["theme"] = theme;
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
  label();
  document.dispatchEvent(new CustomEvent("theme:changed"));
}

function label(): void {
  const theme = current();
  document.querySelectorAll<HTMLButtonElement>("[data-theme-toggle]").forEach((button) => {
    button.setAttribute("aria-label", `Theme: ${theme}. Change it`);
    button.title = `Theme: ${theme}`;
  });
}

export function nextTheme(): void {
  apply(ORDER[(ORDER.indexOf(current()) + 1) % ORDER.length] ?? "system");
}

export function startTheme(): void {
  label();
  document.addEventListener("click", (event) => {
    if ((event.target as Element).closest("[data-theme-toggle]")) nextTheme();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    document.dispatchEvent(new CustomEvent("theme:changed"));
  });
}
