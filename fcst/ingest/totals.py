"""Names of total rows and columns in sales reports, in several languages."""

import re

TOTAL_NAMES = (
    *("total", "totals", "grand total", "subtotal", "sub-total", "sub total", "sum", "summary", "all items"),
    *("summe", "gesamt", "gesamtsumme", "gesamtergebnis", "zwischensumme", "endsumme", "ergebnis"),
    *("total général", "total general", "sous-total", "totaux", "somme", "total geral", "suma", "suma total", "soma"),
    *("totale", "totale generale", "totaal", "eindtotaal", "subtotaal", "razem", "suma końcowa", "łącznie", "totalt"),
    *("yhteensä", "toplam", "ara toplam", "genel toplam", "итого", "всего", "общий итог", "合計", "総計", "小計"),
    *("总计", "合计", "小计"),
)
"""In lower case."""
_WORDS = "|".join(map(re.escape, TOTAL_NAMES))
TOTAL = rf"(?i)\W*({_WORDS})(\W.*)?|.*\W({_WORDS})\W*"
"""Pattern of a cell that names a total: Total, Total Widget, Widget Ergebnis."""
