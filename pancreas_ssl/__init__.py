"""Learn, explore and measure generalisable pancreas segmentation. Teaching and research only, not for clinical use.

Importing this package loads neither torch nor monai; each room does so when it is entered.
"""

__version__ = "0.1.0"
