// Charts drawn from the tables beside them: <figure data-chart="stack|line"> holds a canvas place and a table whose
// column heads carry data-tone (a colour token) and whose cells carry data-v. One source of truth, and the table is
// always there for those who cannot or will not see the picture.
import { BarChart, LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { type ECharts, init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([BarChart, LineChart, GridComponent, LegendComponent, TooltipComponent, CanvasRenderer]);

const drawn = new Map<HTMLElement, { chart: ECharts; key: string }>();

function resolve(tokens: string[]): Record<string, string> {
  const probe = document.createElement("span");
  document.body.append(probe);
  const colours: Record<string, string> = {};
  for (const token of tokens) {
    probe.style.color = `var(--${token})`;
    colours[token] = getComputedStyle(probe).color;
  }
  probe.remove();
  return colours;
}

interface Read {
  labels: string[];
  series: { name: string; tone: string; values: number[] }[];
}

function read(table: HTMLTableElement): Read {
  const heads = [...table.querySelectorAll<HTMLElement>("thead th")].slice(1);
  const rows = [...table.querySelectorAll("tbody tr")];
  return {
    labels: rows.map((row) => row.querySelector("th")?.dataset["label"] ?? row.querySelector("th")?.textContent ?? ""),
    series: heads.map((head, column) => ({
      name: head.textContent?.trim() ?? "",
      tone: head.dataset["tone"] ?? "accent",
      values: rows.map((row) => Number(row.querySelectorAll("td")[column]?.dataset["v"] ?? 0)),
    })),
  };
}

function options(kind: string, data: Read, width: number): Parameters<ECharts["setOption"]>[0] {
  const tones = data.series.map((series) => series.tone);
  const colours = resolve([...tones, "ink-faint", "ink", "line", "raised", "surface"]);
  const font = getComputedStyle(document.body).fontFamily;
  const text = { color: colours["ink-faint"], fontFamily: font, fontSize: 11 };
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  return {
    animation: !still,
    animationDuration: 300,
    animationDurationUpdate: 300,
    textStyle: { fontFamily: font },
    grid: { left: 2, right: 8, top: data.series.length < 2 ? 10 : width < 420 ? 52 : 30, bottom: 2, containLabel: true },
    legend:
      data.series.length > 1
        ? { top: 0, left: 0, itemWidth: 9, itemHeight: 9, itemGap: 14, icon: "roundRect", textStyle: { ...text, fontSize: 12 } }
        : undefined,
    tooltip: {
      trigger: "axis",
      renderMode: "richText",
      confine: true,
      axisPointer: { type: kind === "line" ? "line" : "shadow" },
      backgroundColor: colours["raised"],
      borderColor: colours["line"],
      textStyle: { color: colours["ink"], fontFamily: font, fontSize: 12 },
    },
    xAxis: {
      type: "category",
      data: data.labels,
      boundaryGap: kind !== "line",
      axisTick: { show: false },
      axisLine: { lineStyle: { color: colours["line"] } },
      axisLabel: { ...text, hideOverlap: true },
    },
    yAxis: {
      type: "value",
      minInterval: 1,
      splitNumber: 3,
      splitLine: { lineStyle: { color: colours["line"] } },
      axisLabel: text,
    },
    series: data.series.map((series) =>
      kind === "line"
        ? {
            name: series.name,
            type: "line" as const,
            data: series.values,
            showSymbol: data.labels.length < 2,
            smooth: 0.2,
            lineStyle: { width: 1.75, color: colours[series.tone] },
            itemStyle: { color: colours[series.tone] },
            areaStyle: { color: colours[series.tone], opacity: 0.1 },
          }
        : {
            name: series.name,
            type: "bar" as const,
            stack: "all",
            data: series.values,
            barCategoryGap: "22%",
            barMaxWidth: 34,
            itemStyle: { color: colours[series.tone], borderColor: colours["surface"], borderWidth: 0.5 },
          },
    ),
  };
}

export function draw(again = false): void {
  for (const [place, { chart }] of drawn) {
    if (!place.isConnected) {
      chart.dispose();
      drawn.delete(place);
    }
  }
  document.querySelectorAll<HTMLElement>("[data-chart]").forEach((figure) => {
    const place = figure.querySelector<HTMLElement>(".canvas");
    const table = figure.querySelector<HTMLTableElement>("table");
    if (!place || !table || place.clientWidth === 0) return;
    const kind = figure.dataset["chart"] ?? "stack";
    const data = read(table);
    const key = JSON.stringify(data);
    const old = drawn.get(place);
    if (old && old.key === key && !again) return;
    const chart = old?.chart ?? init(place, null, { renderer: "canvas" });
    drawn.set(place, { chart, key });
    chart.setOption(options(kind, data, place.clientWidth), { notMerge: again || !old });
    if (!old) new ResizeObserver(() => chart.resize()).observe(place);
  });
}

document.addEventListener("theme:changed", () => draw(true));
