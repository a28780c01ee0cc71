// Ten numbers and their bars, one row a digit: a table to who hears it.
import { html } from "./kit.js";

// `columns` names the columns of numbers, which a single one need not show. show(lists, {share, text, marked}) fills them;
// `marked` are the digits to stress, one a column.
export function bars(caption, columns) {
  const cells = Array.from({ length: 10 }, () => columns.map(() => html("td", {})));
  const rows = cells.map((row, digit) => html("tr", {}, html("th", { scope: "row" }, String(digit)), ...row));
  const element = html("table", { class: "live-bars" }, html("caption", {}, caption));
  const heads = columns.map((name) => html("th", { scope: "col" }, name));
  if (columns.length > 1) element.append(html("thead", {}, html("tr", {}, html("td", {}), ...heads)));
  element.append(html("tbody", {}, ...rows));
  function show(lists, { share, text, marked }) {
    lists.forEach((values, column) =>
      values.forEach((value, digit) => {
        const cell = cells[digit][column];
        cell.textContent = text(value);
        cell.style.setProperty("--share", share(value));
        cell.classList.toggle("marked", marked[column] === digit);
      }),
    );
  }
  return { element, show };
}
