export declare const chromiumPath: string | undefined;
export declare const howToGetChromium: string;
