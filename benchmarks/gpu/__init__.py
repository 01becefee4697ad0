"""What only a GPU can show, in one short command: scripts/gpu-check.

Needs torch, numpy, safetensors, scikit-learn and pydantic; neither optuna nor ray nor mlflow.
"""
