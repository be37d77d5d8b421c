"""Pictures, sounds and clips by reference: how rows store them, what their headers say, and how they are decoded."""
