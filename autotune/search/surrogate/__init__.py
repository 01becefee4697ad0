"""A surrogate model of learning curves: a Gaussian process over all rungs."""
