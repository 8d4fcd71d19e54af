"""Operations on images whose kind and strength are drawn for each image of a batch."""
