// Filters the rows of the tables in [data-filter-list] by what is typed; every word has to be found.

for (const form of document.querySelectorAll("form[data-filter]")) {
  const box = form.querySelector("input[type=search]");
  const rows = [...document.querySelectorAll(`[data-filter-list="${form.dataset.filter}"] tbody tr`)];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const count = form.querySelector("[data-filter-count]");

  const apply = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, index) => {
      row.hidden = !words.every((word) => texts[index].includes(word));
      if (!row.hidden) shown += 1;
    });
    count.textContent = `${shown} 条`;
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  box.addEventListener("input", apply);
  apply();
}
