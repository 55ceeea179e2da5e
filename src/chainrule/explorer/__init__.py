"""A page in which a backward pass is alive: every line with its numbers, in one HTML file that asks for nothing."""

from chainrule.explorer.exploring import ExploreError, Explorer, explore, open_in_browser

__all__ = ["ExploreError", "Explorer", "explore", "open_in_browser"]
