"""What the audio tasks share: features, their frames, and augmentation."""
