"""A report as one HTML file that asks nothing of the network."""
