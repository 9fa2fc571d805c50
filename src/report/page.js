'use strict';
// Tables that sort, filter and page; a scatter plot of the main one whose points show their row.
const tables = JSON.parse(document.getElementById('tables').textContent);
const PAGE = 100;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const isNumber = text => text !== '' && !Number.isNaN(Number(text));
const short = text => isNumber(text) && /[.eE]/.test(text) ? String(Number(Number(text).toPrecision(5))) : text;

function compare(a, b) {
  // Empty cells come last whichever way.
  if (a === '' || b === '') return 0;
  return isNumber(a) && isNumber(b) ? Number(a) - Number(b) : a.localeCompare(b);
}

// "lr < 0.1 status = complete word": conditions on columns, and words that a row holds.
function conditions(text, columns) {
  const found = [];
  const rest = text.replace(/(\S+?)\s*(<=|>=|!=|=|<|>)\s*(\S+)/g, (whole, name, sign, value) => {
    const place = columns.indexOf(name);
    if (place < 0) return whole;
    found.push(row => {
      const cell = row[place];
      if (sign === '=') return cell === value || (isNumber(cell) && Number(cell) === Number(value));
      if (sign === '!=') return !(cell === value || (isNumber(cell) && Number(cell) === Number(value)));
      if (!isNumber(cell)) return false;
      const [a, b] = [Number(cell), Number(value)];
      return sign === '<' ? a < b : sign === '>' ? a > b : sign === '<=' ? a <= b : a >= b;
    });
    return '';
  });
  for (const word of rest.toLowerCase().split(/\s+/).filter(Boolean)) {
    found.push(row => row.some(cell => cell.toLowerCase().includes(word)));
  }
  return found;
}

function build(place) {
  const { columns, rows } = tables[Number(place.dataset.table)];
  const state = { sort: -1, falling: false, shown: PAGE, rows };
  const numeric = columns.map((_, at) => rows.some(row => row[at] !== '') && rows.every(row => row[at] === '' || isNumber(row[at])));
  const count = element('span', { class: 'count', 'aria-live': 'polite' });
  const filter = element('input', {
    type: 'search', size: '34', 'aria-label': 'filter', placeholder: 'filter: words, or column < 0.1',
    oninput: () => { state.shown = PAGE; update(); },
  });
  const head = element('tr');
  columns.forEach((name, at) => {
    const button = element('button', { type: 'button', onclick: () => {
      state.falling = state.sort === at && !state.falling;
      state.sort = at;
      update();
    } }, name);
    head.append(element('th', { scope: 'col' }, button));
  });
  const body = element('tbody');
  const more = element('button', { type: 'button', onclick: () => { state.shown += 10 * PAGE; draw(); } }, 'more rows');
  place.append(
    element('div', { class: 'tools' }, filter, count),
    element('div', { class: 'wide' }, element('table', {}, element('thead', {}, head), body)),
    more,
  );

  function update() {
    const tests = conditions(filter.value, columns);
    const kept = rows.filter(row => tests.every(test => test(row)));
    if (state.sort >= 0) {
      const [at, way] = [state.sort, state.falling ? -1 : 1];
      kept.sort((a, b) => (a[at] === '') - (b[at] === '') || way * compare(a[at], b[at]));
    }
    state.rows = kept;
    [...head.children].forEach((cell, at) => {
      const way = at === state.sort ? (state.falling ? 'descending' : 'ascending') : 'none';
      cell.setAttribute('aria-sort', way);
      cell.firstChild.textContent = columns[at] + (way === 'none' ? '' : state.falling ? ' ▾' : ' ▴');
    });
    draw();
    if (state.plot) state.plot();
  }

  function draw() {
    const cell = (text, at) => element('td', numeric[at] ? { class: 'number', title: text } : { title: text }, short(text));
    body.replaceChildren(...state.rows.slice(0, state.shown).map(row => element('tr', {}, ...row.map(cell))));
    count.textContent = `${state.rows.length} of ${rows.length} rows`;
    more.hidden = state.rows.length <= state.shown;
  }

  if ('explore' in place.dataset) explore(place, columns, numeric, state);
  update();
}

function explore(place, columns, numeric, state) {
  const choices = columns.filter((_, at) => numeric[at]);
  if (choices.length < 2) return;
  const prefer = (wanted, other) => wanted.find(name => choices.includes(name)) || other;
  const select = (label, value) => {
    const made = element('select', { 'aria-label': label, onchange: () => plot() }, ...choices.map(name => element('option', {}, name)));
    made.value = value;
    return made;
  };
  const first = choices.find(name => name.startsWith('hp.')) || choices[0];
  const x = select('horizontal axis', first);
  const y = select('vertical axis', prefer(['value', 'area', 'importance', 'validation_accuracy'], choices[choices.length - 1]));
  const log = element('input', { type: 'checkbox', onchange: () => plot() });
  const canvas = element('canvas', { role: 'img', 'aria-label': 'scatter plot of two columns; hover for values' });
  const tip = element('div', { class: 'tip', hidden: '' });
  const frame = element('div', { class: 'plot' }, canvas, tip);
  place.prepend(element('div', { class: 'tools' }, y, 'against', x, element('label', {}, log, ' logarithmic')), frame);
  const left = 70, bottom = 34, top = 10, right = 14;
  let points = [];

  function plot() {
    const [width, height, ratio] = [frame.clientWidth, 320, window.devicePixelRatio || 1];
    if (width === 0) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const context = canvas.getContext('2d');
    context.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const color = name => style.getPropertyValue(name).trim();
    const [xAt, yAt] = [columns.indexOf(x.value), columns.indexOf(y.value)];
    const scale = v => log.checked ? Math.log10(v) : v;
    const known = state.rows.filter(row => isNumber(row[xAt]) && isNumber(row[yAt]) && Number.isFinite(scale(Number(row[xAt]))));
    const span = values => {
      let [low, high] = [Infinity, -Infinity];
      for (const v of values) { low = Math.min(low, v); high = Math.max(high, v); }
      if (!(high > low)) { low -= 0.5; high += 0.5; }
      const pad = (high - low) * 0.04;
      return [low - pad, high + pad];
    };
    const [x0, x1] = span(known.map(row => scale(Number(row[xAt]))));
    const [y0, y1] = span(known.map(row => Number(row[yAt])));
    const px = v => left + (v - x0) / (x1 - x0) * (width - left - right);
    const py = v => height - bottom - (v - y0) / (y1 - y0) * (height - bottom - top);
    context.strokeStyle = color('--line');
    context.fillStyle = color('--muted');
    context.font = '12px system-ui, sans-serif';
    for (let i = 0; i <= 4; i++) {
      const [vx, vy] = [x0 + (x1 - x0) * i / 4, y0 + (y1 - y0) * i / 4];
      context.beginPath();
      context.moveTo(left, py(vy)); context.lineTo(width - right, py(vy)); context.stroke();
      context.textAlign = 'right';
      context.fillText(Number(vy.toPrecision(3)), left - 6, py(vy) + 4);
      context.textAlign = i === 0 ? 'left' : i === 4 ? 'right' : 'center';
      context.fillText(Number((log.checked ? 10 ** vx : vx).toPrecision(3)), px(vx), height - bottom + 16);
    }
    context.textAlign = 'center';
    context.fillText(x.value, (left + width - right) / 2, height - 3);
    context.fillStyle = color('--accent');
    context.globalAlpha = known.length > 2000 ? 0.35 : 0.7;
    points = known.map(row => [px(scale(Number(row[xAt]))), py(Number(row[yAt])), row]);
    for (const [a, b] of points) { context.beginPath(); context.arc(a, b, 3, 0, 7); context.fill(); }
    context.globalAlpha = 1;
  }

  canvas.addEventListener('pointermove', event => {
    const box = canvas.getBoundingClientRect();
    const [a, b] = [event.clientX - box.left, event.clientY - box.top];
    let [best, near] = [null, 14 * 14];
    for (const point of points) {
      const distance = (point[0] - a) ** 2 + (point[1] - b) ** 2;
      if (distance < near) [best, near] = [point, distance];
    }
    tip.hidden = best === null;
    if (best === null) return;
    const lines = columns.map((name, at) => [name, best[2][at]]).filter(([, text]) => text !== '').slice(0, 14);
    tip.textContent = lines.map(([name, text]) => `${name}: ${short(text)}`).join('\n');
    tip.style.left = `${Math.max(0, Math.min(best[0] + 10, box.width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(0, Math.min(best[1] + 10, box.height - tip.offsetHeight))}px`;
  });
  canvas.addEventListener('pointerleave', () => { tip.hidden = true; });
  state.plot = plot;
  new ResizeObserver(plot).observe(frame);
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', plot);
}

document.querySelectorAll('[data-table]').forEach(build);
