// Choosing operators of a list: counts the selection and keeps the button in step with it.

const form = document.querySelector("form[data-bulk]");
const count = form.querySelector("[data-count]");
const button = form.querySelector("button");

function boxes() {
  return [...document.querySelectorAll("input[data-pick]")];
}

function update() {
  const chosen = boxes().filter((box) => box.checked).length;
  count.textContent = chosen;
  form.hidden = chosen === 0;
  button.disabled = chosen === 0;
  const all = document.querySelector("input[data-pick-all]");
  if (all) {
    all.checked = chosen > 0 && chosen === boxes().length;
    all.indeterminate = chosen > 0 && chosen < boxes().length;
  }
}

document.addEventListener("change", (event) => {
  if (event.target.matches("input[data-pick-all]")) {
    for (const box of boxes()) box.checked = event.target.checked;
  }
  if (event.target.matches("input[data-pick], input[data-pick-all]")) update();
});
// The rows are swapped while searching.
new MutationObserver(update).observe(document.getElementById("rows"), { childList: true });
update();
