"""Measuring the composite on recorded answers of real models, through the running proxy: figures come from here or from nowhere."""
