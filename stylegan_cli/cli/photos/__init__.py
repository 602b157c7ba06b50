"""From photos and films to people, and back: faces are spotted, people found in them, and put back after edits."""
