"""The sentences of a derivation, in English and Chinese; `{0}` is replaced by a formula or a word."""

from chainrule.derivation.sentences.examples import EXAMPLES
from chainrule.derivation.sentences.notation import NOTATION
from chainrule.derivation.sentences.pages import PAGES
from chainrule.derivation.sentences.reasons import REASONS
from chainrule.derivation.sentences.recurrences import RECURRENCES
from chainrule.derivation.sentences.remarks import REMARKS
from chainrule.derivation.sentences.second import SECOND
from chainrule.derivation.sentences.verification import VERIFICATION

SENTENCES: dict[str, tuple[str, str]] = {
    **PAGES,
    **REASONS,
    **NOTATION,
    **REMARKS,
    **RECURRENCES,
    **EXAMPLES,
    **SECOND,
    **VERIFICATION,
}

__all__ = ["SENTENCES"]
