"""One module for each peripheral; its docstring names the product specification's section."""
