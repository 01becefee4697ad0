"""What a study learns from earlier ones: their trials, collected and translated."""
