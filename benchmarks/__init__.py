"""Speed and memory, measured. Figures stand beside the scripts, with the command that makes them."""
