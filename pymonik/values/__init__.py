"""What all stages share: contents, options, outcomes, outputs, seeds, and text from elsewhere."""
