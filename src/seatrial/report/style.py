"""The page's style. Text has a contrast of 4.5 or more on what it stands on, in both themes."""

LIGHT = {
    "page": "#f4f6f8",
    "card": "#ffffff",
    "ink": "#17212b",
    "soft": "#52606d",
    "rule": "#d5dce3",
    "main": "#0b5fa5",
    "other": "#a44a04",
    "third": "#5b6b1f",
    "idle": "#9fb0c0",
    "good": "#17693a",
    "warn": "#855300",
    "bad": "#b3261e",
    "odd": "#644a9b",
}
DARK = {
    "page": "#10161c",
    "card": "#19222b",
    "ink": "#e7edf3",
    "soft": "#a9b6c3",
    "rule": "#34414d",
    "main": "#6db5f5",
    "other": "#f2a766",
    "third": "#b9cc6a",
    "idle": "#5a6b7b",
    "good": "#66cb8f",
    "warn": "#e3b656",
    "bad": "#ff8f86",
    "odd": "#c0a8f6",
}


def _variables(theme: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in theme.items())


STYLE = (
    f":root{{color-scheme:light dark;{_variables(LIGHT)}}}"
    f"@media(prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif;
overflow-wrap:anywhere}
main{max-width:74rem;margin:0 auto;padding:1rem .75rem 3rem}
h1{font-size:1.6rem;line-height:1.2;margin:.2rem 0 .4rem}
h2{font-size:1.15rem;margin:2rem 0 .6rem}
h3{font-size:1rem;margin:0}
p{margin:.3rem 0}
.soft,figcaption{color:var(--soft)}
.card,figure{background:var(--card);border:1px solid var(--rule);border-radius:.6rem;
padding:.9rem .75rem;margin:0}
.verdict{border-left:.4rem solid var(--tone)}
.good{--tone:var(--good)}.bad{--tone:var(--bad)}.warn{--tone:var(--warn)}.odd{--tone:var(--odd)}
.state{color:var(--tone);font-weight:700}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(7.2rem,1fr));gap:.7rem;margin:1rem 0 0}
dt{color:var(--soft);font-size:.85rem}
dd{margin:0;font-weight:600;font-size:1.1rem}
.checks{list-style:none;margin:0;padding:0;display:grid;gap:.6rem}
.checks li{background:var(--card);border:1px solid var(--rule);border-left:.3rem solid var(--tone);
border-radius:.4rem;padding:.6rem .75rem}
.checks b{margin-right:.5rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,21rem),1fr));gap:.75rem}
figure{display:flex;flex-direction:column;gap:.4rem;min-width:0}
figcaption{font-size:.85rem}
figure details{margin-top:auto}
svg{display:block;width:100%;max-width:30rem;height:auto;margin:0 auto;
font:12px system-ui,sans-serif}
svg text{fill:var(--ink);paint-order:stroke;stroke:var(--card);stroke-width:3px}
svg .tick,svg .name{fill:var(--soft)}
svg .strong{font-weight:700}
svg .grid{stroke:var(--rule)}
svg .axis{stroke:var(--soft)}
svg .main{fill:var(--main)}svg .other{fill:var(--other)}svg .third{fill:var(--third)}
svg .idle{fill:var(--idle)}
svg .out{fill:none;stroke:var(--soft);stroke-dasharray:3 3}
svg .stroke{fill:none;stroke:var(--main);stroke-width:2}
svg .stroke2{fill:none;stroke:var(--other);stroke-width:2;stroke-dasharray:6 3}
svg .limit{stroke:var(--bad);stroke-width:1.5}
svg .goal{stroke:var(--warn);stroke-width:1.5;stroke-dasharray:5 3}
svg .mark{fill:var(--card);stroke:var(--ink);stroke-width:2}
svg .limit-name{fill:var(--bad)}svg .goal-name{fill:var(--warn)}
svg .main-name{fill:var(--main)}svg .other-name{fill:var(--other)}
summary{cursor:pointer;color:var(--main)}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;
border-bottom:1px solid var(--rule)}
th{color:var(--soft);font-weight:600}
.charts .soft{font-size:.9rem}
.charts h3{color:var(--ink)}
@media(max-width:40rem){
.stack thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.stack tr{display:block;padding:.5rem 0;border-bottom:1px solid var(--rule)}
.stack td{display:block;border:0;padding:.05rem 0}
.stack td::before{content:attr(data-label) ": ";color:var(--soft)}
}
"""
)
