// Makes a part of the page like a newer version of it and touches only what differs: focus, selection, scroll,
// what is typed and what is folded open stay. Children with an id or data-key are known by it, others by their place.

const OWN = { DIALOG: ["open"], DETAILS: ["open"] }; // attributes the page itself changes

function name(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset.key || "" : "";
}

function alike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && name(one) === name(other);
}

// Somebody is in it.
function isOpen(node) {
  return node.nodeName === "DIALOG" && node.open;
}

function attributes(old, fresh) {
  const own = OWN[old.nodeName] ?? [];
  for (const { name: key } of [...old.attributes]) {
    if (!fresh.hasAttribute(key) && !own.includes(key)) old.removeAttribute(key);
  }
  for (const { name: key, value } of fresh.attributes) {
    if (old.getAttribute(key) !== value && !own.includes(key)) old.setAttribute(key, value);
  }
}

function children(old, fresh) {
  const known = new Map();
  for (const child of old.childNodes) if (name(child)) known.set(name(child), child);
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const named = name(child);
    const found = named ? known.get(named) : place;
    if (!found || !alike(found, child)) {
      old.insertBefore(child, place);
      continue;
    }
    if (found === place) place = place.nextSibling;
    else old.insertBefore(found, place);
    morph(found, child);
  }
  while (place) {
    const rest = place;
    place = place.nextSibling;
    if (!isOpen(rest)) rest.remove();
  }
}

export function morph(old, fresh) {
  if (old.isEqualNode(fresh) || isOpen(old)) return;
  if (!alike(old, fresh)) {
    old.replaceWith(fresh);
  } else if (old.nodeType === Node.ELEMENT_NODE) {
    attributes(old, fresh);
    children(old, fresh);
  } else {
    old.nodeValue = fresh.nodeValue;
  }
}
