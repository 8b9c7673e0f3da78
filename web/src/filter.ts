// Filters the rows of a table on the page as one types: <input data-filter="#id">. Groups without rows disappear.
function apply(input: HTMLInputElement): void {
  const place = document.querySelector(input.dataset["filter"] ?? "");
  if (!place) return;
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  place.querySelectorAll<HTMLElement>("[data-group]").forEach((group) => {
    let inGroup = 0;
    group.querySelectorAll<HTMLElement>("[data-row]").forEach((row) => {
      const text = (row.dataset["row"] ?? "").toLowerCase();
      const matches = words.every((word) => text.includes(word));
      row.hidden = !matches;
      if (matches) inGroup += 1;
    });
    group.hidden = inGroup === 0;
    group.querySelectorAll<HTMLDetailsElement>("details[data-fold]").forEach((folded) => {
      folded.open = words.length > 0 && folded.querySelector("[data-row]:not([hidden])") !== null;
    });
    shown += inGroup;
  });
  const none = place.querySelector<HTMLElement>("[data-none]");
  if (none) none.hidden = shown > 0;
}

export function startFilters(): void {
  document.addEventListener("input", (event) => {
    const input = event.target as HTMLElement;
    if (input instanceof HTMLInputElement && input.dataset["filter"]) apply(input);
  });
}
