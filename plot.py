"""
Draw what train.py logged, as SVG that we write by hand.

    python plot.py                                          (checkpoints/log.jsonl -> training_plots/loss.svg)
    python plot.py --out_dir=checkpoints/multi30k --plot_dir=training_plots/multi30k
"""
import html, json, math

from tokenizer import fail, override, replacing

# -----------------------------------------------------------------------------
# config
out_dir = 'checkpoints'     # the folder that holds log.jsonl
plot_dir = 'training_plots' # where the pictures go
# -----------------------------------------------------------------------------

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 56, 150, 44, 44          # margins in pixels; on the right stand the lines' names
# colours that colour-blind people tell apart (Okabe & Ito 2008)
COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9']
STYLE = '''
  text { font: 13px system-ui, sans-serif; fill: #333 } .title { font-weight: 600; font-size: 15px }
  .paper { fill: #fff } .grid { stroke: #ddd } .line { fill: none; stroke-width: 2; stroke-linejoin: round }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .paper { fill: #16181c } .grid { stroke: #3a3d42 }
  }
'''

def round_ticks(low, high, about=6):
    """Round numbers from low to high, a step of 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]

def short(number):
    """1500 -> '1,500', 250000 -> '250k', 0.5 -> '0.5'."""
    return f'{number / 1000:,.0f}k' if abs(number) >= 1e5 else f'{number:,.10g}'

def line_chart(title, x_label, y_label, series):
    """
    series: [(name, [(x, y), ...])] -> an SVG document. Points that are not finite are left out; each line is
    named at its end, the names pushed apart where lines end close together.
    """
    series = [(name, [(x, y) for x, y in points if math.isfinite(y)]) for name, points in series]
    series = [(name, points) for name, points in series if points]
    xs, ys = ([p[i] for _, points in series for p in points] or [0, 1] for i in (0, 1))
    x_low, x_high, y_low, y_high = min(xs), max(xs), min(ys), max(ys)
    x_high, pad = x_high if x_high > x_low else x_low + 1, 0.05 * (y_high - y_low) or 0.5
    y_low, y_high = y_low - pad, y_high + pad
    def X(x): return round(LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT), 1)
    def Y(y): return round(TOP + (y_high - y) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM), 1)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
             f'<title>{html.escape(title)}</title><style>{STYLE}</style>',
             f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
             f'<text class="title" x="{LEFT}" y="24">{html.escape(title)}</text>']
    for y in round_ticks(y_low, y_high):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{Y(y)}" y2="{Y(y)}"/>'
                     f'<text x="{LEFT - 8}" y="{Y(y) + 4}" text-anchor="end">{short(y)}</text>')
    for x in round_ticks(x_low, x_high):
        parts.append(f'<text x="{X(x)}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{short(x)}</text>')
    middle = X((x_low + x_high) / 2)
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{html.escape(x_label)}</text>'
                 f'<text x="{LEFT}" y="{TOP - 2}">{html.escape(y_label)}</text>')
    colours = {name: COLOURS[i % len(COLOURS)] for i, (name, _) in enumerate(series)}
    for name, points in series:
        path = ' '.join(f'{X(x)},{Y(y)}' for x, y in points)
        parts.append(f'<polyline class="line" stroke="{colours[name]}" points="{path}"/>')
        (x, y), colour = points[-1], colours[name]
        parts.append(f'<circle cx="{X(x)}" cy="{Y(y)}" r="3" fill="{colour}"/>')
    lowest = 0
    for name, points in sorted(series, key=lambda s: Y(s[1][-1][1])):
        (x, y), style = points[-1], f'fill:{colours[name]}'
        lowest = max(Y(y) + 4, lowest + 18)
        parts.append(f'<text x="{X(x) + 8}" y="{lowest}" style="{style}">{html.escape(name)}</text>')
    return '\n'.join(parts + ['</svg>\n'])

def read_log(out_dir):
    """log.jsonl -> a list of dicts; a last line that a kill cut short is left out."""
    path = f'{out_dir}/log.jsonl'
    try:
        with open(path, encoding='utf-8') as file:
            return [json.loads(line) for line in file if line.endswith('\n')]
    except FileNotFoundError:
        fail(f'no {path} to draw: run  python train.py --out_dir={out_dir}')
    except ValueError:
        fail(f'{path} is damaged: delete it, or the line that is no JSON')

def draw_losses(out_dir, plot_dir):
    """Training and validation loss of one run -> plot_dir/loss.svg."""
    log = read_log(out_dir)
    series = [(name, [(entry['step'], entry[key]) for entry in log if key in entry])
              for name, key in (('training', 'loss'), ('validation', 'valid_loss'))]
    with replacing(f'{plot_dir}/loss.svg', 'w', encoding='utf-8') as file:
        file.write(line_chart('Loss while training', 'steps', 'nats a word', series))

if __name__ == '__main__':
    override(globals())
    draw_losses(out_dir, plot_dir)
    print(f'wrote {plot_dir}/loss.svg')
