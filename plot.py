"""
Draw what train.py logged and what a model looks at, as SVG and one HTML page that we write by hand.

    python plot.py                                      (checkpoints/log.jsonl -> training_plots/index.html)
    python plot.py --runs=checkpoints/a,checkpoints/b   (several runs in one chart -> training_plots/runs.svg)
    python plot.py --attention --text="Ein Hund läuft." (what was looked at -> attention.svg)
    python plot.py --beam --text="Ein Hund läuft."      (what the search kept and dropped -> beam.svg)

train.py draws the page anew at every evaluation; in a browser it reloads itself while training goes on.
"""
import signal
if __name__ == '__main__':                          # until main() runs, Ctrl-C ends the script without a word
    signal.signal(signal.SIGINT, signal.SIG_DFL)
import difflib, html, json, math, time

import torch

from sample import attention_weights, beam_search, load, pad, replace_unknowns
from tokenizer import EOS, JOINER, PAD, fail, normalise, parse_command_line, atomic_write, split, to_text

# -----------------------------------------------------------------------------
# config
out_dir = 'checkpoints'     # the run: the folder that holds log.jsonl and best.pt
plot_dir = 'training_plots' # where the pictures go
runs = ''                   # or several such folders, with commas between: their losses in one chart
by = 'steps'                # what runs are drawn against: steps, tokens or hours
attention = False           # draw what the model looks at while it translates ...
beam = False                # ... or how it searches for the translation of ...
text = ''                   # ... this sentence
beam_size = 4               # hypotheses that the search keeps
# -----------------------------------------------------------------------------
# charts: each function returns an SVG document, readable at 640 pixels and on a telephone, light or dark

# colours that colour-blind people tell apart (Okabe & Ito 2008), and two more
COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7f7f7f', '#b8a800']
STYLE = '''
  text { font: 14px system-ui, sans-serif; fill: #333 } .title { font-weight: 600; font-size: 16px }
  .paper { fill: #fff } .grid { stroke: #ddd } .cell { stroke: #fff } .bar { fill-opacity: .85 }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round } path.whisker { stroke: #333 }
  path { fill: none; stroke-width: 1.5; stroke: #999 } path.pruned { stroke-dasharray: 3 4 }
  path.winner { stroke: #0072b2; stroke-width: 3 } path.greedy { stroke: #d55e00; stroke-width: 2.5 }
  text.pruned { opacity: .55 } text.winner { font-weight: 700 }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .paper { fill: #16181c } .grid { stroke: #3a3d42 } .cell { stroke: #16181c }
    path.whisker { stroke: #ddd }
  }
'''
LETTER = 7.9                # pixels, the mean width of one

def escape(words, longest=1000):
    """For SVG and HTML: no markup, no control characters, and no longer than there is room for."""
    words = ''.join(c if c.isprintable() else ' ' for c in str(words))
    return html.escape(words if len(words) <= longest else words[:longest - 1] + '…')

def document(width, height, title, parts):
    return '\n'.join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
                      f'<title>{escape(title)}</title><style>{STYLE}</style>',
                      f'<rect class="paper" width="{width}" height="{height}"/>',
                      f'<text class="title" x="12" y="24">{escape(title, int(width / 9.8))}</text>',
                      *parts, '</svg>\n'])

def short(number):
    """1500 -> '1,500', 250000 -> '250k', 2500000 -> '2.5M', 0.0003 -> '0.0003', 0.0000001 -> '1e-07'."""
    if number and not 1e-4 <= abs(number) < 1e9:
        return f'{number:.0e}'
    for least, size, sign in (1e6, 1e6, 'M'), (1e5, 1e3, 'k'):
        if abs(number) >= least:
            return f'{number / size:,.10g}{sign}'
    return f'{number:,.10g}'

def round_ticks(low, high, about=6):
    """Round numbers from low to high, a step of 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= 0.8 * rough)
    ticks = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [float(f'{i * step:.12g}') for i in ticks]

class Axis:
    """Numbers from low to high over so many pixels; a logarithmic one where they span three decades."""

    def __init__(self, numbers, begin, end, may_be_log=False, from_zero=False):
        numbers = [n for n in numbers if math.isfinite(n)] or [0.0, 1.0]
        low, high = min(numbers), max(numbers)
        self.begin, self.end = begin, end
        self.log = may_be_log and low > 0 and high / low > 1000
        if self.log:
            low, high = math.log10(low), math.log10(high)
            each = math.ceil((high - low) / 7)
            self.ticks = [10.0 ** n for n in range(math.ceil(low), math.floor(high) + 1, each)]
        else:
            low, high = (min(low, 0.0), max(high, 0.0)) if from_zero else (low, high)
            if high - low <= 1e-12 * abs(high):             # one value: room round it
                low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
            self.ticks = round_ticks(low, high, max(2, min(6, abs(end - begin) / 45)))
        self.low, self.high = low, high

    def __call__(self, number):
        number = math.log10(number) if self.log else number
        share = (number - self.low) / (self.high - self.low)
        return round(self.begin + share * (self.end - self.begin), 1)

def thinned(points, X, most=400):
    """A line of at most about 2 * most points, with the least and the greatest of all that were left out."""
    if len(points) <= 2 * most:
        return points
    columns, width = {}, max(1e-9, abs(X.end - X.begin) / most)
    for i, (x, y) in enumerate(points):
        columns.setdefault(int((X(x) - X.begin) / width), []).append((y, i))
    keep = {end[1] for column in columns.values() for end in (min(column), max(column))}
    return [points[i] for i in sorted(keep | {0, len(points) - 1})]

def apart(wanted, gap, low, high):
    """Places for labels, near where they are wanted, in their order, `gap` pixels apart, from low to high."""
    order, places, last = sorted(range(len(wanted)), key=wanted.__getitem__), {}, low - gap
    for i in order:
        last = places[i] = max(wanted[i], last + gap)
    last = high + gap
    for i in reversed(order):
        last = places[i] = min(places[i], last - gap)
    return [places[i] for i in range(len(wanted))]

def line_chart(title, x_label, y_label, series, width=640, height=380, dots=False, may_be_log=True):
    """
    series: [(name, [(x, y), ...])]. Where y is not a number the line has a gap. Each line is named at its
    end, the names pushed apart where lines end close together. With dots it is a scatter chart.
    """
    series = [(name, [(x, y) for x, y in points if math.isfinite(x)]) for name, points in series]
    series = [(name, points) for name, points in series if any(math.isfinite(y) for _, y in points)]
    names = [escape(name, int(0.38 * width / LETTER)) for name, _ in series]
    room = max([len(html.unescape(name)) for name in names], default=0) * LETTER if len(series) > 1 else 0
    numbers = [y for _, points in series for _, y in points]
    Y = Axis(numbers, height - 50, 56, may_be_log)
    left = 20 + LETTER * max([len(short(tick)) for tick in Y.ticks], default=1)
    X = Axis([x for _, points in series for x, _ in points], left, width - room - 26)
    parts = []
    for tick in Y.ticks:
        parts.append(f'<line class="grid" x1="{left:.1f}" x2="{X.end}" y1="{Y(tick)}" y2="{Y(tick)}"/>'
                     f'<text x="{left - 8:.1f}" y="{Y(tick) + 5}" text-anchor="end">{short(tick)}</text>')
    for tick in X.ticks:
        parts.append(f'<text x="{X(tick)}" y="{height - 30}" text-anchor="middle">{short(tick)}</text>')
    parts.append(f'<text x="{(left + X.end) / 2:.1f}" y="{height - 8}" text-anchor="middle">'
                 f'{escape(x_label)}</text><text x="12" y="44">{escape(y_label)}</text>')
    ends = []
    for (name, points), colour in zip(series, COLOURS * len(series)):
        pieces, real = [[]], [(x, y) for x, y in points if math.isfinite(y)]
        kept = set(thinned(real, X))
        for x, y in points:
            if not math.isfinite(y):
                pieces.append([])
            elif (x, y) in kept:
                pieces[-1].append(f'{X(x)},{Y(y)}')
        marks = [place for piece in pieces for place in piece] if dots else \
                [piece[0] for piece in pieces if len(piece) == 1] + [f'{X(real[-1][0])},{Y(real[-1][1])}']
        if not dots:
            parts += [f'<polyline class="line" stroke="{colour}" points="{" ".join(piece)}"/>'
                      for piece in pieces if len(piece) > 1]
        parts += ['<circle cx="{}" cy="{}" r="3" fill="{}"/>'.format(*place.split(','), colour)
                  for place in marks]
        ends.append(Y(real[-1][1]) + 5)
    if len(series) > 1:
        for name, colour, y in zip(names, COLOURS * len(series), apart(ends, 17, 60, height - 46)):
            parts.append(f'<text x="{X.end + 9:.1f}" y="{y:.1f}" style="fill:{colour}">{name}</text>')
    return document(width, height, title, parts)

def bar_chart(title, x_label, bars, width=640):
    """bars: [(name, value, error or 0)], drawn across, each with its name before and its value behind it."""
    room = 24 + LETTER * min(34, max(len(str(name)) for name, *_ in bars))
    height = 84 + 28 * len(bars)
    X = Axis([v + s * e for _, v, e in bars for s in (-1, 1)], room, width - 70, from_zero=True)
    widest = 8 + LETTER * max(len(short(t)) for t in X.ticks)
    every = math.ceil(widest * len(X.ticks) / (X.end - X.begin))        # that the numbers do not touch
    parts = [f'<line class="grid" x1="{X(t)}" x2="{X(t)}" y1="40" y2="{height - 44}"/>'
             f'<text x="{X(t)}" y="{height - 26}" text-anchor="middle">{short(t)}</text>'
             for t in X.ticks[::every]]
    parts.append(f'<text x="{(X.begin + X.end) / 2:.1f}" y="{height - 6}" text-anchor="middle">'
                 f'{escape(x_label)}</text>')
    for i, (name, value, error) in enumerate(bars):
        y, (left, right) = 44 + 28 * i, sorted((X(0), X(value)))
        parts.append(f'<text x="{room - 8:.1f}" y="{y + 15}" text-anchor="end">{escape(name, 34)}</text>'
                     f'<rect class="bar" x="{left}" y="{y}" width="{max(1, right - left):.1f}" height="20" '
                     f'fill="{COLOURS[0]}"/>')
        if error:
            parts.append(f'<path class="whisker" d="M{X(value - error)},{y + 10}H{X(value + error)}'
                         f'm0,-5v10M{X(value - error)},{y + 5}v10"/>')
        number = f'{value:.4g}' if abs(value) < 1000 else f'{value:,.0f}'
        parts.append(f'<text x="{max(right, X(value + error)) + 6:.1f}" y="{y + 15}">{number}</text>')
    return document(width, height, title, parts)

def heat_map(title, columns, rows, values, cell=30):
    """values[row][column] from 0 to 1 as squares, the darker the more; the columns' names slanted above."""
    cell = max(20, min(cell, 900 // max(1, len(columns))))          # below 20 slanted names overlap
    left = 20 + LETTER * min(24, max(len(row) for row in rows))
    top = 44 + 0.75 * LETTER * min(24, max(len(column) for column in columns))
    width, height = left + cell * len(columns) + 0.75 * LETTER * 14 + 10, top + cell * len(rows) + 14
    parts = [f'<rect x="{left:.1f}" y="{top:.1f}" width="{cell * len(columns)}" height="{cell * len(rows)}" '
             f'fill="{COLOURS[0]}" fill-opacity="0.04"/>']
    for c, name in enumerate(columns):
        x, y = left + (c + 0.5) * cell, top - 6
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" transform="rotate(-45 {x:.1f} {y:.1f})">'
                     f'{escape(name, 24)}</text>')
    for r, name in enumerate(rows):
        y = top + r * cell
        parts.append(f'<text x="{left - 8:.1f}" y="{y + cell / 2 + 5:.1f}" text-anchor="end">'
                     f'{escape(name, 24)}</text>')
        for c, value in enumerate(values[r]):
            if value >= 0.005:
                parts.append(f'<rect class="cell" x="{left + c * cell:.1f}" y="{y:.1f}" width="{cell}" '
                             f'height="{cell}" fill="{COLOURS[0]}" fill-opacity="{value:.3f}">'
                             f'<title>{escape(name)} ← {escape(columns[c])}: {value:.3f}</title></rect>')
    return document(round(max(width, 260)), round(height), title, parts)

# -----------------------------------------------------------------------------
# what train.py logged

def read_log(out_dir):
    """log.jsonl -> a list of dicts; a last line that a kill cut short is left out."""
    path = f'{out_dir}/log.jsonl'
    try:
        with open(path, encoding='utf-8') as file:
            log = [json.loads(line) for line in file if line.endswith('\n')]
    except OSError:
        fail(f'no {path} to draw: run  python train.py --out_dir={out_dir}')
    except ValueError:
        log = []
    if not log or 'config' not in log[0]:
        fail(f'{path} is damaged: delete it, or the line that is no JSON')
    return log

def logged(log, key):
    return [(entry['step'], entry[key]) for entry in log if key in entry]

def changes(old, new):
    """The words of `new` as HTML, what was not in `old` marked, what has gone struck through."""
    old, new, parts = old.split(), new.split(), []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        for tag, words in ('del', old[a:b]), ('ins', new[c:d]):
            if kind == 'equal':
                parts += [escape(' '.join(words))] if tag == 'ins' else []
            elif words:
                parts.append(f'<{tag}>{escape(" ".join(words))}</{tag}>')
    return ' '.join(parts)

PAGE = '''<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>{refresh}
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  body {{ font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1240px; padding: 12px;
         background: #fff; color: #333 }}
  h1 {{ font-size: 20px }} h2 {{ font-size: 16px; margin-top: 28px }}
  .charts {{ display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(min(360px, 100%), 1fr));
            margin-top: 16px }}
  .facts {{ display: flex; flex-wrap: wrap; gap: 4px 28px }} .facts b {{ font-size: 20px; display: block }}
  table {{ border-collapse: collapse }} td {{ padding: 1px 12px 1px 0; vertical-align: top }}
  td, .triple {{ overflow-wrap: anywhere }} .triple {{ margin: 0 0 14px }} .triple span {{ color: #777 }}
  .settings {{ columns: 340px; font-size: 13px }} ins {{ background: #cfe8cf; text-decoration: none }}
  del {{ color: #999 }} .paper {{ fill: none !important }}
  @media (prefers-color-scheme: dark) {{
    body {{ background: #16181c; color: #ddd }} ins {{ background: #245c2c }} .triple span {{ color: #999 }}
  }}
</style></head><body>
<h1>{title}</h1>
<div class="facts">{facts}</div>
<div class="charts">{charts}</div>
<h2>Translations of validation sentences</h2>{triples}
<h2>Settings</h2><div class="settings">{settings}</div>
</body></html>
'''

def facts_of(log, running):
    """What a glance should tell, as HTML."""
    steps, evaluations = ([e for e in log if key in e] for key in ('loss', 'valid_loss'))
    facts = {'step': f'{log[-1].get("step", 0):,}'}
    if evaluations:
        facts['best validation loss'] = f'{min(e["valid_loss"] for e in evaluations):.4f}'
        facts['BLEU, greedy'] = f'{evaluations[-1].get("valid_bleu", math.nan):.2f}'
    if steps:
        facts['target words a second'] = f'{steps[-1].get("tokens_per_second", math.nan):,.0f}'
        left = f'{steps[-1].get("minutes_left", math.nan):,.0f}'
        facts['minutes left'] = left if running else 'ended'
    facts.update({'parameters': f'{log[0].get("parameters", 0):,}', 'drawn at': time.strftime('%H:%M:%S')})
    return ''.join(f'<div><b>{escape(value)}</b>{escape(name)}</div>' for name, value in facts.items())

def triples_of(log):
    """The latest source, reference and output, as HTML, with what has changed since the evaluation before."""
    examples = [entry['examples'] for entry in log if 'examples' in entry]
    if not examples:
        return ''
    before = examples[-2] if len(examples) > 1 else examples[-1]
    return ''.join(f'<p class="triple"><span>source</span> {escape(source, 400)}<br><span>reference</span> '
                   f'{escape(reference, 400)}<br><span>output</span> {changes(old, output)}</p>'
                   for (source, reference, output), (_, _, old) in zip(examples[-1], before))

def settings_of(header):
    """What the run was told and what it found, as an HTML table."""
    data = {f'data: {name}': file['fingerprint'] for name, file in header.get('data', {}).items()}
    found = {name: value for name, value in header.items() if name not in ('config', 'data')}
    return '<table>' + ''.join(f'<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>' for name, value
                               in {**header.get('config', {}), **found, **data}.items()) + '</table>'

def draw_run(out_dir, plot_dir, running=False):
    """One run -> plot_dir/index.html and loss.svg; while it is running the page reloads itself."""
    log = read_log(out_dir)
    losses = [('training', logged(log, 'loss')), ('validation', logged(log, 'valid_loss'))]
    with atomic_write(f'{plot_dir}/loss.svg', 'w', encoding='utf-8') as file:
        file.write(line_chart('Loss while training', 'steps', 'nats a word', losses))
    one = {key: [(key, logged(log, key))]
           for key in ('valid_bleu', 'learning_rate', 'grad_norm', 'tokens_per_second')}
    size = dict(width=420, height=280)
    charts = [line_chart('Loss', 'steps', 'nats a word', losses, **size),
              line_chart('BLEU on validation sentences', 'steps', 'percent', one['valid_bleu'], **size),
              line_chart('Learning rate', 'steps', '', one['learning_rate'], **size, may_be_log=False),
              line_chart('Norm of the gradient', 'steps', '', one['grad_norm'], **size),
              line_chart('Speed', 'steps', 'target words a second', one['tokens_per_second'], **size)]
    with atomic_write(f'{plot_dir}/index.html', 'w', encoding='utf-8') as file:
        file.write(PAGE.format(
            title=escape(f'nanoseq2seq: {out_dir}'), charts='\n'.join(charts), facts=facts_of(log, running),
            triples=triples_of(log), settings=settings_of(log[0]),
            refresh='<meta http-equiv="refresh" content="20">' if running else ''))

def draw_runs(folders, by, plot_dir):
    """The validation losses of several runs, named by the settings in which they differ -> runs.svg."""
    logs, series = [read_log(folder) for folder in folders], []
    configs = [log[0]['config'] for log in logs]
    differing = [key for key in configs[0] if key not in ('out_dir', 'plot_dir', 'resume')
                 and any(config.get(key) != configs[0][key] for config in configs)]
    for folder, log, config in zip(folders, logs, configs):
        name = ' '.join(f'{key}={config.get(key)}' for key in differing) or folder
        words, points = 0, []
        for entry in log[1:]:
            words += entry.get('words', 0)                  # so many since the last line
            if 'valid_loss' in entry:
                at = dict(steps=entry['step'], tokens=words, hours=entry['minutes'] / 60)[by]
                points.append((at, entry['valid_loss']))
        series.append((name, points))
    labels = dict(steps='steps', tokens='target words seen', hours='hours')
    with atomic_write(f'{plot_dir}/runs.svg', 'w', encoding='utf-8') as file:
        file.write(line_chart('Validation loss', labels[by], 'nats a word', series, width=760))

# -----------------------------------------------------------------------------
# what a model looks at

def draw_attention(checkpoint, text, plot_dir):
    """The translation of a sentence and where attention was at each of its words -> attention*.svg."""
    model, source_vocab, target_vocab = load(checkpoint)
    words = split(normalise(text))
    if not words:
        fail('--attention wants a sentence: --text="..."')
    if model.config.attention == 'none':
        fail(f'{checkpoint} has no attention to draw: train with --attention=dot')
    by_head = []
    if model.config.arch == 'transformer':                  # what its last layer asks of the source
        last = model.decoder[-1].cross_attn
        last.register_forward_pre_hook(lambda _, x: by_head.append(last.attention_weights(x[0], x[1], x[3])))
    source, lengths = pad([source_vocab.look_up(words) + [EOS]])                        # (1, S), (1,)
    with torch.inference_mode():
        tokens, _ = beam_search(model, source, lengths, 2 * lengths + 10)               # (1, K, T)
        tokens = tokens[:, 0, :int((tokens[0, 0] != PAD).sum())]                        # (1, T)
        weights = attention_weights(model, source, lengths, tokens)                     # (1, T, S)
        output, = replace_unknowns(model, source, lengths, tokens, [words], target_vocab)
    columns, rows = ([word.strip(JOINER) or word for word in side] for side in ([*words, '<eos>'], output))
    pictures = {'attention': (to_text(output), weights[0])}
    for head in range(model.config.n_head if by_head else 0):
        pictures[f'attention_head{head + 1}'] = f'{to_text(output)} (head {head + 1})', by_head[-1][0, head]
    for name, (title, values) in pictures.items():
        with atomic_write(f'{plot_dir}/{name}.svg', 'w', encoding='utf-8') as file:
            file.write(heat_map(title, columns, rows, values.tolist()))
        print(f'wrote {plot_dir}/{name}.svg')

def draw_beam(checkpoint, text, beam_size, plot_dir):
    """
    The search for a translation as a tree -> beam.svg: from left to right the steps, from top to bottom the
    hypotheses, the best first, each as its last word; below the line what was dropped.
    """
    model, source_vocab, target_vocab = load(checkpoint)
    words = split(normalise(text))
    if not words or beam_size < 1:
        fail('--beam wants a sentence, --text="...", and a --beam_size of at least 1')
    source, lengths = pad([source_vocab.look_up(words) + [EOS]])                        # (1, S), (1,)
    trace = []
    with torch.inference_mode():
        tokens, _ = beam_search(model, source, lengths, 2 * lengths + 10, beam_size, trace=trace)
        greedy, _ = beam_search(model, source, lengths, 2 * lengths + 10, 1)
    winner, greedy = ([word for word in found[0, 0].tolist() if word != PAD] for found in (tokens, greedy))
    step_width, row, places, parts = 118, 30, {(): (16.0, 64.0)}, []
    for t, considered in enumerate(trace, 1):
        for rank, (ids, score, kept) in enumerate(considered):
            x, y = 16 + step_width * t, 64 + row * (rank + 0.6 * (not kept))
            path = 'winner' if ids == winner[:t] else 'greedy' if ids == greedy[:t] else \
                   'kept' if kept else 'pruned'
            x0, y0 = places[tuple(ids[:-1])]
            parts.append(f'<path class="{path}" d="M{x0:.0f},{y0:.0f}C{x0 + 60:.0f},{y0:.0f} '
                         f'{x - 60:.0f},{y:.0f} {x - 22:.0f},{y:.0f}"/>')
            word = escape(target_vocab.words[ids[-1]].strip(JOINER) or '￭', 10)
            parts.append(f'<text class="{path}" x="{x - 18}" y="{y + 5:.0f}">{word}'
                         f'<title>{score:.3f} {escape(target_vocab.decode(ids))}</title></text>')
            places[tuple(ids)] = x - 10 + len(html.unescape(word)) * LETTER, y
    key = '<text x="12" y="44">blue: the winner, red: what greedy decoding takes, dashed: dropped</text>'
    with atomic_write(f'{plot_dir}/beam.svg', 'w', encoding='utf-8') as file:
        file.write(document(60 + step_width * (len(trace) + 1), 100 + row * 2 * beam_size,
                            target_vocab.decode(winner), [key, *parts]))
    print(f'wrote {plot_dir}/beam.svg')

# -----------------------------------------------------------------------------

def main():
    if beam:
        return draw_beam(f'{out_dir}/best.pt', text, beam_size, plot_dir)
    if attention:
        return draw_attention(f'{out_dir}/best.pt', text, plot_dir)
    if by not in ('steps', 'tokens', 'hours'):
        fail(f'--by takes steps, tokens or hours, not {by!r}')
    if runs:
        draw_runs(runs.split(','), by, plot_dir)
        return print(f'wrote {plot_dir}/runs.svg')
    draw_run(out_dir, plot_dir)
    print(f'wrote {plot_dir}/index.html and {plot_dir}/loss.svg')

if __name__ == '__main__':
    parse_command_line(globals())
    main()
