const mebibyte = 1024 * 1024;

/** A writer makes no larger part, and a reader refuses one, so that it never has to hold more. */
export const maximumPartBytes = 64 * mebibyte;

/** Content that does not compress grows by far less than this. */
export const maximumStoredPartBytes = 2 * maximumPartBytes;

/** Far more than the metadata of a hundred thousand artifacts; a bomb ends here. */
export const maximumMetadataBytes = 512 * mebibyte;
